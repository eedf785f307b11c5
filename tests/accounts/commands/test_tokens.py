"""API tokens: shown once, stored as a keyed hash, never able to do more than their owner."""

from datetime import timedelta

import pytest

from accounts.actor import Context, Interface
from accounts.authentication import find_token, token_actor
from accounts.commands.tokens import WiderToken, issue_token, revoke_token
from accounts.errors import Forbidden, Invalid
from accounts.models import ApiToken
from tests.factories.services import ServiceFactory

MONTH = timedelta(days=30)


@pytest.fixture
def issue(now):
    """Return a function that issues a token."""

    def make(actor, **changed):
        fields = {
            "name": "CI",
            "scope": "global",
            "services": [],
            "expires_at": now + MONTH,
            "now": now,
        }
        return issue_token(actor, **(fields | changed))

    return make


def acting(issued):
    return token_actor(issued.token, Context(interface=Interface.API))


def test_a_token_is_stored_as_a_hash_and_found_by_its_secret(
    acme, eve, issue, now, noted
):
    issued = issue(eve)

    assert issued.secret not in str(ApiToken.objects.values().get())
    assert issued.secret not in repr(issued)
    assert len(issued.secret) == 32
    assert find_token(issued.secret, now) == issued.token
    assert (issued.token.user_id, issued.token.account_id) == (eve.user_id, acme.pk)
    assert noted(acme) == ["token.issued"]


def test_the_trail_contains_a_tokens_scope_but_not_its_secret(
    acme, eve, shop, issue, last_body
):
    issued = issue(eve, scope="global:read", services=[shop.pk])

    body = last_body(acme)
    assert body["after"] == {
        "scope": "global:read",
        "services": [shop.pk],
        "expires_at": "2026-12-22T12:00:00+00:00",
    }
    assert issued.secret not in str(body)


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"name": " "}, "name"),
        ({"scope": "all"}, "scope"),
        ({"services": ["x" * 22]}, "services"),
        ({"services": ["x" * 22] * 101}, "services"),
        ({"expires_at": None}, "expires_at"),
    ],
)
def test_invalid_input_creates_no_token(acme, eve, issue, noted, changed, field):
    with pytest.raises(Invalid) as refusal:
        issue(eve, **changed)

    assert refusal.value.field == field
    assert not ApiToken.objects.exists()
    assert noted(acme) == []


@pytest.mark.parametrize("lifetime", [timedelta(0), timedelta(days=366, seconds=1)])
def test_a_token_expires_within_a_year(eve, issue, now, lifetime):
    with pytest.raises(Invalid) as refusal:
        issue(eve, expires_at=now + lifetime)

    assert refusal.value.field == "expires_at"
    assert not ApiToken.objects.exists()


def test_a_token_of_a_narrow_scope_cannot_create_a_token(acme, eve, issue, noted):
    reader = acting(issue(eve, scope="global:read"))

    with pytest.raises(Forbidden):
        issue(reader)

    assert ApiToken.objects.count() == 1
    assert noted(acme) == ["token.issued"]


def test_a_token_limited_to_services_cannot_create_one_for_others(
    acme, eve, shop, issue
):
    blog = ServiceFactory.create(account=acme, name="blog")
    limited = acting(issue(eve, services=[shop.pk]))

    with pytest.raises(WiderToken):
        issue(limited)
    with pytest.raises(WiderToken):
        issue(limited, services=[shop.pk, blog.pk])
    narrower = issue(limited, services=[shop.pk], scope="global:read")

    assert narrower.token.services == [shop.pk]
    assert ApiToken.objects.count() == 2


def test_a_token_cannot_be_limited_to_a_service_that_its_owner_does_not_see(
    acme, globex, lin, shop, issue
):
    unseen = ServiceFactory.create(account=acme, name="blog")
    foreign = ServiceFactory.create(account=globex, name="shop")

    for each in (unseen.pk, foreign.pk):
        with pytest.raises(Invalid) as refusal:
            issue(lin, services=[shop.pk, each])
        assert str(refusal.value) == f"There is no service with the ID {each}."
    issued = issue(lin, services=[shop.pk])

    assert issued.token.services == [shop.pk]
    assert ApiToken.objects.count() == 1


def test_revoking_a_token_twice_is_one_change(acme, una, issue, now, noted):
    issued = issue(una)

    revoke_token(una, token=issued.token, now=now)
    revoke_token(una, token=issued.token, now=now)

    assert find_token(issued.secret, now) is None
    assert noted(acme) == ["token.issued", "token.revoked"]


def test_a_superuser_revokes_another_members_token(sam, eve, issue, now):
    issued = issue(eve)

    revoke_token(sam, token=issued.token, now=now)

    assert find_token(issued.secret, now) is None
