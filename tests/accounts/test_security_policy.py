"""The operator's rules and the policies of accounts: second factors, and session limits."""

import pytest
from allauth.mfa.models import Authenticator

from accounts.authentication import active_memberships
from accounts.models import Account, User
from accounts.roles import Role
from accounts.security_policy import (
    idle_choices,
    lacks_second_factor,
    max_choices,
    needs_second_factor,
    session_limits_of,
)
from tests.factories.accounts import AccountFactory, MembershipFactory

MINUTE, HOUR, DAY = 60, 3600, 86_400


def mine(actor):
    """Return a user and their memberships."""
    user = User.objects.get(pk=actor.user_id)
    return user, list(active_memberships(user.pk))


@pytest.fixture
def strict(acme):
    """Require a second factor of Acme's members."""
    Account.objects.filter(pk=acme.pk).update(second_factor_required=True)


@pytest.mark.parametrize(
    ("by_operator", "by_account", "who"),
    [
        (False, False, []),
        (True, False, ["ada", "bo", "sam"]),
        (False, True, ["bo", "eve", "lin", "sam", "una"]),
        (True, True, ["ada", "bo", "eve", "lin", "sam", "una"]),
    ],
)
def test_a_second_factor_is_needed_by_the_operators_rule_or_the_accounts(
    settings, acme, ada, bo, eve, lin, sam, una, by_operator, by_account, who
):
    settings.SECOND_FACTOR_REQUIRED = by_operator
    Account.objects.filter(pk=acme.pk).update(second_factor_required=by_account)
    people = {"ada": ada, "bo": bo, "eve": eve, "lin": lin, "sam": sam, "una": una}

    need = [name for name, actor in people.items() if needs_second_factor(*mine(actor))]

    assert need == who


@pytest.mark.parametrize(
    ("kind", "lacks"), [("totp", False), ("webauthn", False), ("recovery_codes", True)]
)
def test_recovery_codes_alone_are_no_second_factor(strict, eve, kind, lacks):
    user, memberships = mine(eve)
    Authenticator.objects.create(user=user, type=kind, data={})

    assert lacks_second_factor(user, memberships) is lacks


def test_the_policy_of_any_account_of_a_user_counts(strict, eve):
    other = AccountFactory.create()
    user = User.objects.get(pk=eve.user_id)
    MembershipFactory.create(account=other, user=user, role=Role.USER.value)

    assert needs_second_factor(*mine(eve))


@pytest.mark.parametrize(
    ("who", "idle", "at_most", "expected"),
    [
        ("eve", None, None, (8 * HOUR, 14 * DAY)),
        ("eve", 15 * MINUTE, 8 * HOUR, (15 * MINUTE, 8 * HOUR)),
        ("eve", 15 * MINUTE, None, (15 * MINUTE, 14 * DAY)),
        ("sam", None, None, (30 * MINUTE, DAY)),
        ("sam", 4 * HOUR, 7 * DAY, (30 * MINUTE, DAY)),  # the operator's are shorter
        ("sam", 15 * MINUTE, 12 * HOUR, (15 * MINUTE, 12 * HOUR)),
        ("ada", 15 * MINUTE, 8 * HOUR, (30 * MINUTE, DAY)),  # no member
    ],
)
def test_the_shortest_session_limit_counts(request, acme, who, idle, at_most, expected):
    actor = request.getfixturevalue(who)
    Account.objects.filter(pk=acme.pk).update(
        session_idle_seconds=idle, session_max_seconds=at_most
    )

    limits = session_limits_of(*mine(actor))

    assert (limits.idle.seconds, limits.at_most.seconds) == expected


def test_only_limits_shorter_than_the_operators_can_be_chosen(settings):
    settings.SESSION_IDLE_SECONDS = HOUR
    settings.SESSION_MAX_SECONDS = settings.SESSION_MAX_SECONDS_STRICT = 12 * HOUR

    assert idle_choices() == (15 * MINUTE, 30 * MINUTE)
    assert max_choices() == (8 * HOUR,)
