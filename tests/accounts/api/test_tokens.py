"""The API of tokens: shown without their secret, revoked immediately."""

from dataclasses import replace

from accounts.actor import ActorType, TokenScope
from accounts.audit.models import AuditEvent
from accounts.models import Account, ApiToken
from accounts.policy import decide
from accounts.roles import LEVELS_FOR, ROLE_PERMISSIONS, Permission, Role
from tests.factories import NOW
from tests.factories.keys import client_of, key_of


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
        Permission.MEMBER_READ,
        Permission.TOKEN_OWN,
    }
    assert {asked[each] for each in asked.keys() - allowed} == {"token_services"}
    assert decide(shut, Permission.SERVICE_CONFIGURE, shop).allowed
