"""Tokens are shown once, kept as a keyed hash, and never reach further than who makes them."""

from datetime import timedelta

import pytest

from accounts.actor import Context, Interface
from accounts.authentication import find_token, token_actor
from accounts.commands.tokens import WiderToken, issue_token, revoke_token
from accounts.errors import Forbidden, Invalid, NotFound
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


def test_a_token_is_kept_as_a_hash_and_found_by_its_secret(
    acme, eve, issue, now, noted
):
    issued = issue(eve)

    assert issued.secret not in str(ApiToken.objects.values().get())
    assert issued.secret not in repr(issued)
    assert len(issued.secret) == 43
    assert find_token(issued.secret, now) == issued.token
    assert (issued.token.user_id, issued.token.account_id) == (eve.user_id, acme.pk)
    assert noted(acme) == ["token.issued"]


def test_the_trail_knows_what_a_token_may_but_not_its_secret(
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
        ({"services": ["no id"]}, "services"),
        ({"services": ["x" * 22] * 101}, "services"),
        ({"expires_at": None}, "expires_at"),
    ],
)
def test_bad_input_issues_nothing(acme, eve, issue, noted, changed, field):
    with pytest.raises(Invalid) as refusal:
        issue(eve, **changed)

    assert refusal.value.field == field
    assert not ApiToken.objects.exists()
    assert noted(acme) == []


@pytest.mark.parametrize("life", [timedelta(0), timedelta(days=366, seconds=1)])
def test_a_token_lives_for_a_year_at_most(eve, issue, now, life):
    with pytest.raises(Invalid, match="at most a year away"):
        issue(eve, expires_at=now + life)

    assert not ApiToken.objects.exists()


def test_a_token_of_a_narrow_scope_makes_no_token(acme, eve, issue, noted):
    reader = acting(issue(eve, scope="global:read"))

    with pytest.raises(Forbidden, match="scope is global:read"):
        issue(reader)

    assert ApiToken.objects.count() == 1
    assert noted(acme) == ["token.issued"]


def test_a_token_for_some_services_makes_none_for_others(acme, eve, shop, issue):
    blog = ServiceFactory.create(account=acme, name="blog")
    limited = acting(issue(eve, services=[shop.pk]))

    with pytest.raises(WiderToken):
        issue(limited)
    with pytest.raises(WiderToken):
        issue(limited, services=[shop.pk, blog.pk])
    narrower = issue(limited, services=[shop.pk], scope="global:read")

    assert narrower.token.services == [shop.pk]
    assert ApiToken.objects.count() == 2


def test_one_revokes_ones_own_token_and_again_is_no_change(
    acme, una, issue, now, noted
):
    issued = issue(una)

    revoke_token(una, token=issued.token, now=now)
    revoke_token(una, token=issued.token, now=now)

    assert find_token(issued.secret, now) is None
    assert noted(acme) == ["token.issued", "token.revoked"]


def test_a_superuser_revokes_other_peoples_tokens(sam, eve, issue, now):
    issued = issue(eve)

    revoke_token(sam, token=issued.token, now=now)

    assert find_token(issued.secret, now) is None


def test_an_engineer_does_not(eve, una, issue, now):
    issued = issue(una)

    with pytest.raises(
        Forbidden, match="Superusers can revoke other people's API tokens"
    ):
        revoke_token(eve, token=issued.token, now=now)

    assert find_token(issued.secret, now) == issued.token


def test_a_token_of_another_account_does_not_exist(eve, stan, issue, now):
    issued = issue(eve)

    with pytest.raises(NotFound):
        revoke_token(stan, token=issued.token, now=now)

    assert find_token(issued.secret, now) == issued.token
