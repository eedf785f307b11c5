"""Records sign-in and sign-out in the audit trail; allauth keeps the session itself."""

from datetime import datetime

from accounts.actor import Actor
from accounts.audit.vocabulary import Event
from accounts.change import record_refusal, recorded_change
from accounts.models import Membership, User
from accounts.roles import Permission


def note_sign_in(
    actor: Actor, *, membership: Membership, event: Event, now: datetime
) -> None:
    """Note in the account's chain that a member signed in or out, or changed their password.

    Raises NotFound for a user who is no longer a member.
    """
    with recorded_change(
        actor, Permission.ACCOUNT_READ, on=membership, now=now
    ) as trail:
        trail.note(event, target=("user", actor.user_id, actor.label))


def note_failed_sign_in(
    actor: Actor, *, membership: Membership, event: Event, reason: str, now: datetime
) -> None:
    """Note a failed authentication as this member; allauth's rate limits bound how often."""
    record_refusal(
        actor,
        event,
        on=membership,
        target=("user", actor.user_id, actor.label),
        reasons=[reason],
        now=now,
    )


def set_password(user: User, *, password: str, now: datetime) -> None:
    """Set a user's password, which allauth has checked; the caller notes it.

    Not a `recorded_change`, because a password belongs to the user, who may have no account.
    """
    user.set_password(password)
    user.password_changed_at = now
    user.save(update_fields=["password", "password_changed_at"])
