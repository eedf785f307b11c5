"""A superuser sets the security policy of an account, and staff lift it."""

import pytest
from allauth.mfa.models import Authenticator

from accounts.commands.security_policy import (
    NoSecurityPolicy,
    OwnFactorNeeded,
    lift_security_policy,
    set_security_policy,
)
from accounts.errors import Forbidden, Invalid
from accounts.security_policy import SecurityPolicy
from tests.factories import NOW

FACTOR = SecurityPolicy(second_factor_required=True)
SHORT = SecurityPolicy(session_idle_seconds=900, session_max_seconds=28_800)


def policy_of(account):
    account.refresh_from_db()
    return SecurityPolicy.of(account)


def add_factor(actor):
    Authenticator.objects.create(user_id=actor.user_id, type="totp", data={})


def test_both_parts_are_noted_with_the_values_before_and_after(acme, sam, trail_bodies):
    add_factor(sam)
    policy = SecurityPolicy(second_factor_required=True, session_idle_seconds=900)

    set_security_policy(sam, account=acme, policy=policy, now=NOW)

    assert policy_of(acme) == policy
    assert trail_bodies(acme) == [
        (
            "account.second_factor_changed",
            {"second_factor": "optional"},
            {"second_factor": "required"},
        ),
        (
            "account.session_limits_changed",
            {"session_idle_seconds": None},
            {"session_idle_seconds": 900},
        ),
    ]


def test_a_superuser_without_a_second_factor_cannot_require_it(acme, sam, noted):
    with pytest.raises(OwnFactorNeeded):
        set_security_policy(sam, account=acme, policy=FACTOR, now=NOW)

    assert (policy_of(acme), noted(acme)) == (SecurityPolicy(), [])


def test_session_limits_need_no_second_factor(acme, sam, noted):
    set_security_policy(sam, account=acme, policy=SHORT, now=NOW)

    assert noted(acme) == ["account.session_limits_changed"]


def test_the_same_policy_changes_nothing(acme, sam, noted):
    set_security_policy(sam, account=acme, policy=SHORT, now=NOW)
    set_security_policy(sam, account=acme, policy=SHORT, now=NOW)

    assert len(noted(acme)) == 1


@pytest.mark.parametrize("field", ["session_idle_seconds", "session_max_seconds"])
@pytest.mark.parametrize("seconds", [1, 901, 10**7])
def test_a_limit_that_is_not_on_the_list_is_invalid(acme, sam, noted, field, seconds):
    policy = SecurityPolicy(**{field: seconds})

    with pytest.raises(Invalid) as refusal:
        set_security_policy(sam, account=acme, policy=policy, now=NOW)

    assert refusal.value.field == field
    assert (policy_of(acme), noted(acme)) == (SecurityPolicy(), [])


def test_staff_lift_it_with_a_reason_and_cannot_set_it(acme, sam, ada, last_body):
    set_security_policy(sam, account=acme, policy=SHORT, now=NOW)

    with pytest.raises(Forbidden):
        set_security_policy(ada, account=acme, policy=FACTOR, now=NOW)
    with pytest.raises(Invalid):
        lift_security_policy(ada, account=acme, reason=" ", now=NOW)
    assert policy_of(acme) == SHORT
    lift_security_policy(ada, account=acme, reason="All are locked out.", now=NOW)

    assert policy_of(acme) == SecurityPolicy()
    assert last_body(acme)["reason"] == "All are locked out."
    assert last_body(acme)["before"]["session_idle_seconds"] == 900


def test_there_must_be_a_policy_to_lift(acme, ada):
    with pytest.raises(NoSecurityPolicy):
        lift_security_policy(ada, account=acme, reason="Locked out.", now=NOW)
