"""What the trail keeps of signing in and out; the session itself is allauth's business."""

from datetime import datetime

from accounts.actor import Actor
from accounts.audit.vocabulary import Event
from accounts.change import record_refusal, recorded_change
from accounts.models import Membership, User
from accounts.roles import Permission


def note_sign_in(
    actor: Actor, *, membership: Membership, event: Event, now: datetime
) -> None:
    """Note that a member signed in or out, or changed how they do, in the chain of their account.

    Raises NotFound for somebody who is in it no longer.
    """
    with recorded_change(
        actor, Permission.ACCOUNT_READ, on=membership, now=now
    ) as trail:
        trail.note(event, target=("user", actor.user_id, actor.label))


def note_failed_sign_in(
    actor: Actor, *, membership: Membership, event: Event, reason: str, now: datetime
) -> None:
    """Note that somebody failed to prove to be this member; rate limits bound how often."""
    record_refusal(
        actor,
        event,
        on=membership,
        target=("user", actor.user_id, actor.label),
        reasons=[reason],
        now=now,
    )


def set_password(user: User, *, password: str, now: datetime) -> None:
    """Set a person's password, which allauth has checked; the caller notes it.

    A password belongs to the person and not to an account, and the person may be in none, so this
    passes no door.
    """
    user.set_password(password)
    user.password_changed_at = now
    user.save(update_fields=["password", "password_changed_at"])
