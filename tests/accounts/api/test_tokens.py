"""The API of tokens: shown without their secret, revoked immediately."""

from dataclasses import replace

import pytest

from accounts.actor import ActorType, TokenScope
from accounts.audit.models import AuditEvent
from accounts.models import Account, ApiToken
from accounts.policy import decide
from accounts.roles import LEVELS_FOR, ROLE_PERMISSIONS, Permission, Role
from tests.factories import NOW
from tests.factories.keys import client_of, key_of

BULK = "application/vnd.api+json; ext=bulk"


def test_a_token_has_no_nulls_that_clients_refuse(eve, acme, shop):
    api = client_of(eve, services=(shop.pk,))

    answer = api.get("/api/tokens/self").json()

    row = ApiToken.objects.get()
    assert answer.pop("last_used_at")  # it was used just now
    assert answer == {
        "id": row.pk,
        "user_id": eve.user_id,
        "customer_id": acme.pk,
        "name": "Eve's key",
        "scope": "global",
        "scopes": ["global"],
        "services": [shop.pk],
        "service_id": shop.pk,
        "created_at": "2026-11-22T12:00:00Z",
        "sudo_expires_at": None,
    }


def test_a_token_has_its_optional_fields(eve):
    api = client_of(eve)
    ApiToken.objects.update(
        ip="192.0.2.1", user_agent="Tests/1", expires_at=NOW.replace(year=2036)
    )

    answer = api.get("/api/tokens/self").json()

    assert (answer["ip"], answer["user_agent"]) == ("192.0.2.1", "Tests/1")
    assert answer["expires_at"] == "2036-11-22T12:00:00Z"


def test_a_user_lists_their_own_tokens(eve, sam):
    key_of(sam)

    answer = client_of(eve).get("/api/tokens")

    assert [row["user_id"] for row in answer.json()] == [eve.user_id]


def test_a_superuser_lists_the_tokens_of_the_account(eve, sam, stan, acme):
    key_of(eve)
    key_of(stan)

    answer = client_of(sam).get(f"/api/customer/{acme.pk}/tokens")

    assert sorted(row["name"] for row in answer.json()) == ["Eve's key", "Sam's key"]


def test_a_token_revokes_itself(eve):
    api = client_of(eve)

    revoked = api.delete("/api/tokens/self")

    assert (revoked.status_code, revoked.content) == (204, b"")
    assert api.get("/api/tokens/self").status_code == 401
    assert [row.action for row in AuditEvent.objects.all()] == ["token.revoked"]


def test_a_superuser_revokes_the_token_of_another(eve, sam):
    hers = client_of(eve)
    row = ApiToken.objects.get()

    revoked = client_of(sam).delete(f"/api/tokens/{row.pk}")

    assert revoked.status_code == 204
    assert hers.get("/api/tokens/self").status_code == 401


def test_a_token_limited_to_services_changes_nothing_of_the_account_itself(sam, shop):
    shut = replace(
        sam,
        type=ActorType.TOKEN,
        token_scope=TokenScope.GLOBAL,
        token_services=frozenset({shop.pk}),
    )
    account = Account.objects.get(pk=sam.account_id)

    asked = {
        permission: decide(shut, permission, account).code
        for permission in ROLE_PERMISSIONS[Role.SUPERUSER] - set(LEVELS_FOR)
    }

    allowed = {permission for permission, code in asked.items() if code == "allowed"}
    assert allowed == {
        Permission.ACCOUNT_READ,
        Permission.AUDIT_READ,
        Permission.BILLING_READ,
        Permission.DOMAIN_READ,
        Permission.MEMBER_READ,
        Permission.TOKEN_OWN,
        Permission.TOKEN_READ,
        Permission.TOKEN_SELF,
        Permission.TOKEN_REVOKE,
        Permission.WEBHOOK_READ,
    }
    assert {asked[each] for each in asked.keys() - allowed} == {"token_services"}
    assert decide(shut, Permission.SERVICE_CONFIGURE, shop).allowed


@pytest.mark.parametrize("scope", list(TokenScope))
def test_any_token_reads_and_revokes_itself(eve, scope):
    api = client_of(eve, scope=scope)
    row = ApiToken.objects.get()
    paths = ["tokens/self", f"tokens/{row.pk}", "verify", "current_user"]

    read = [api.get(f"/api/{path}").status_code for path in paths]
    revoked = api.delete(f"/api/tokens/{row.pk}")

    assert read == [200] * 4
    assert revoked.status_code == 204
    assert api.get("/api/verify").status_code == 401


def test_a_token_that_can_only_purge_sees_no_services(eve, shop):
    answer = client_of(eve, scope=TokenScope.PURGE_ALL).get("/api/verify")

    assert answer.json()["services"] == {}


def test_a_suspended_account_s_token_reads_and_revokes_itself(eve, acme):
    api = client_of(eve)
    Account.objects.update(suspended_at=NOW, suspension_reason="Unpaid")

    assert api.get("/api/tokens/self").status_code == 200
    assert api.delete("/api/tokens/self").status_code == 204


def test_a_reading_token_of_a_superuser_lists_all_tokens(eve, sam, acme):
    key_of(eve)

    answer = client_of(sam, scope=TokenScope.GLOBAL_READ).get(
        f"/api/customer/{acme.pk}/tokens"
    )

    assert answer.status_code == 200
    assert len(answer.json()) == 2


def test_a_reading_token_cannot_revoke_another(eve):
    key_of(eve)
    other = ApiToken.objects.get()

    answer = client_of(eve, scope=TokenScope.GLOBAL_READ).delete(
        f"/api/tokens/{other.pk}"
    )

    assert answer.status_code == 403
    assert ApiToken.objects.filter(revoked_at=None).count() == 2


def bulk(*keys):
    return {"data": [{"type": "token", "id": key} for key in keys]}


def test_several_tokens_are_revoked_together(eve, sam):
    key_of(eve)
    key_of(eve)
    keys = list(ApiToken.objects.values_list("pk", flat=True))

    answer = client_of(sam).delete("/api/tokens", bulk(*keys), BULK)

    assert (answer.status_code, answer.content) == (204, b"")
    assert not ApiToken.objects.filter(pk__in=keys, revoked_at=None).exists()
    assert [row.action for row in AuditEvent.objects.all()] == ["token.revoked"] * 2


def test_a_token_that_is_named_twice_is_revoked_once(eve):
    api = client_of(eve)
    key = ApiToken.objects.get().pk

    answer = api.delete("/api/tokens", bulk(key, key), BULK)

    assert answer.status_code == 204
    assert ApiToken.objects.get().revoked_at


def test_of_several_tokens_none_is_revoked_if_one_is_unknown(eve, stan):
    foreign = key_of(stan) and ApiToken.objects.get().pk
    api = client_of(eve)
    own = ApiToken.objects.get(user_id=eve.user_id).pk

    answer = api.delete("/api/tokens", bulk(own, foreign), BULK)

    assert answer.status_code == 404
    assert answer.json()["detail"] == "Object 2: API token not found."
    assert not ApiToken.objects.exclude(revoked_at=None).exists()


@pytest.mark.parametrize("sent", [{}, {"data": []}, {"data": [1]}, {"data": [{}]}])
def test_a_bulk_request_without_ids_is_a_400(eve, sent):
    assert client_of(eve).delete("/api/tokens", sent, BULK).status_code == 400


@pytest.mark.parametrize(
    "path",
    [
        "/api/tokens",
        "/api/customer/{}/tokens",
        "/api/customer/{}/users",
    ],
)
def test_lists_are_paged_by_a_link_header(sam, eve, acme, path):
    key_of(sam)
    api = client_of(sam)
    url = path.format(acme.pk)
    every = [row["id"] for row in api.get(url).json()]

    first = api.get(url, {"per_page": 1})
    second = api.get(url, {"per_page": 1, "page": 2})

    assert [row["id"] for row in (*first.json(), *second.json())] == every[:2]
    here = f"http://testserver{url}"
    assert f'<{here}?page=2&per_page=1>; rel="next"' in first.headers["Link"]
    assert f'<{here}?page=1&per_page=1>; rel="first"' in second.headers["Link"]


@pytest.mark.parametrize("sent", [{"page": "0"}, {"per_page": "1001"}, {"page": "x"}])
def test_an_invalid_page_of_tokens_is_a_400(eve, sent):
    assert client_of(eve).get("/api/tokens", sent).status_code == 400
