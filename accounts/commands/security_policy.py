"""The security policy of an account: set by its superusers, lifted by staff with a reason."""

from datetime import datetime
from typing import Any, Final

from accounts.actor import Actor
from accounts.audit.vocabulary import Event
from accounts.change import Trail, Unchanged, recorded_change
from accounts.commands.reasons import clean_reason
from accounts.errors import Conflict, Invalid
from accounts.models import Account, User
from accounts.roles import Permission
from accounts.security_policy import (
    SecurityPolicy,
    has_second_factor,
    idle_choices,
    max_choices,
)

FACTOR_WORDS: Final = {True: "required", False: "optional"}


class OwnFactorNeeded(Conflict):
    """The superuser who requires a second factor of all members has none."""

    code = "own_second_factor_needed"


class NoSecurityPolicy(Conflict):
    """The account requires nothing beyond the operator's rules."""

    code = "no_security_policy"


def set_security_policy(
    actor: Actor, *, account: Account, policy: SecurityPolicy, now: datetime
) -> None:
    """Set what an account requires of its members; it takes effect on their next request.

    Raises Forbidden, Invalid for a limit that can't be chosen, and OwnFactorNeeded. Notes
    account.second_factor_changed and account.session_limits_changed for what differs.
    """
    _require_choice(policy, "session_idle_seconds", idle_choices())
    _require_choice(policy, "session_max_seconds", max_choices())
    with recorded_change(
        actor, Permission.ACCOUNT_CONFIGURE, on=account, now=now
    ) as trail:
        row = Account.objects.select_for_update().get(pk=account.pk)
        if policy.second_factor_required and not row.second_factor_required:
            _require_own_factor(actor)
        if not _store(trail, row, policy):
            raise Unchanged


def lift_security_policy(
    actor: Actor, *, account: Account, reason: str, now: datetime
) -> None:
    """Leave an account with the operator's rules alone, if its members locked themselves out.

    Raises Forbidden, Invalid without a reason, NoSecurityPolicy. Notes what set_security_policy
    notes, with the reason.
    """
    reason = clean_reason(reason)
    with recorded_change(
        actor, Permission.ACCOUNT_UNLOCK, on=account, now=now
    ) as trail:
        row = Account.objects.select_for_update().get(pk=account.pk)
        if not _store(trail, row, SecurityPolicy(), reason=reason):
            raise NoSecurityPolicy(f"{row.name} has no security policy of its own.")


def _require_choice(
    policy: SecurityPolicy, field: str, choices: tuple[int, ...]
) -> None:
    chosen = getattr(policy, field)
    if chosen is not None and chosen not in choices:
        raise Invalid("Choose a limit from the list.", field=field)


def _require_own_factor(actor: Actor) -> None:
    """Raise OwnFactorNeeded if the actor has no second factor; they would lock themselves out."""
    if not has_second_factor(User.objects.get(pk=actor.user_id)):
        raise OwnFactorNeeded("Add a second factor to your own login first.")


def _store(
    trail: Trail, row: Account, policy: SecurityPolicy, *, reason: str = ""
) -> bool:
    """Store a policy and note what differs; return whether anything does."""
    before = SecurityPolicy.of(row)
    if before == policy:
        return False
    row.second_factor_required = policy.second_factor_required
    row.session_idle_seconds = policy.session_idle_seconds
    row.session_max_seconds = policy.session_max_seconds
    row.save(
        update_fields=[
            "second_factor_required",
            "session_idle_seconds",
            "session_max_seconds",
        ]
    )
    changes = (
        (Event.ACCOUNT_SECOND_FACTOR_CHANGED, _factor(before), _factor(policy)),
        (Event.ACCOUNT_SESSION_LIMITS_CHANGED, before.limits(), policy.limits()),
    )
    for event, old, new in changes:
        if old != new:
            trail.note(
                event,
                target=("account", row.pk, row.name),
                before=old,
                after=new,
                reason=reason,
            )
    return True


def _factor(policy: SecurityPolicy) -> dict[str, Any]:
    return {"second_factor": FACTOR_WORDS[policy.second_factor_required]}
