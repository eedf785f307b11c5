"""Tokens on the wire: shown without their secret, revoked at once."""

from dataclasses import replace

import pytest

from accounts.actor import ActorType, TokenScope
from accounts.audit.models import AuditEvent
from accounts.models import Account, ApiToken
from accounts.policy import decide
from accounts.roles import LEVELS_FOR, ROLE_PERMISSIONS, Permission, Role
from tests.factories import NOW
from tests.factories.keys import client_of, key_of


def test_a_token_shows_itself_without_nulls_that_clients_refuse(eve, acme, shop):
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


def test_a_token_shows_what_is_known_of_it(eve):
    api = client_of(eve)
    ApiToken.objects.update(
        ip="192.0.2.1", user_agent="Tests/1", expires_at=NOW.replace(year=2036)
    )

    answer = api.get("/api/tokens/self").json()

    assert (answer["ip"], answer["user_agent"]) == ("192.0.2.1", "Tests/1")
    assert answer["expires_at"] == "2036-11-22T12:00:00Z"


def test_a_person_lists_their_own_tokens(eve, sam):
    key_of(sam)

    answer = client_of(eve).get("/api/tokens")

    assert [row["user_id"] for row in answer.json()] == [eve.user_id]


def test_who_manages_tokens_lists_the_account_s(eve, sam, stan, acme):
    key_of(eve)
    key_of(stan)

    answer = client_of(sam).get(f"/api/customer/{acme.pk}/tokens")

    assert sorted(row["name"] for row in answer.json()) == ["Eve's key", "Sam's key"]


@pytest.mark.parametrize("person", ["eve", "bo", "una"])
def test_others_do_not_list_the_account_s_tokens(person, acme, request):
    answer = client_of(request.getfixturevalue(person)).get(
        f"/api/customer/{acme.pk}/tokens"
    )

    assert answer.status_code == 403


def test_a_token_revokes_itself(eve):
    api = client_of(eve)

    revoked = api.delete("/api/tokens/self")

    assert (revoked.status_code, revoked.content) == (204, b"")
    assert api.get("/api/tokens/self").status_code == 401
    assert [row.action for row in AuditEvent.objects.all()] == ["token.revoked"]


def test_a_superuser_revokes_another_s_token(eve, sam):
    hers = client_of(eve)
    row = ApiToken.objects.get()

    revoked = client_of(sam).delete(f"/api/tokens/{row.pk}")

    assert revoked.status_code == 204
    assert hers.get("/api/tokens/self").status_code == 401


@pytest.mark.parametrize("person", ["eve", "stan"])
def test_nobody_else_sees_or_revokes_it(person, sam, request):
    key_of(sam)
    row = ApiToken.objects.get()
    api = client_of(request.getfixturevalue(person))

    answers = [api.get(f"/api/tokens/{row.pk}"), api.delete(f"/api/tokens/{row.pk}")]

    assert [each.status_code for each in answers] == [404, 404]
    row.refresh_from_db()
    assert row.revoked_at is None


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
