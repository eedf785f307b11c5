"""What an operator did with a command on the portal's machine: an entry in the platform's trail."""

from collections.abc import Mapping
from datetime import datetime

from accounts.actor import Actor, Interface
from accounts.audit.vocabulary import Event
from accounts.change import recorded_change
from accounts.policy import PLATFORM
from accounts.roles import Permission

OPERATOR = Actor.system("operate", interface=Interface.COMMAND)


def note_operation(
    actor: Actor,
    *,
    event: Event,
    target: tuple[str, str, str],
    after: Mapping[str, object],
    now: datetime,
) -> None:
    """Note that something was done outside the database. Raises Forbidden. Notes the event."""
    with recorded_change(
        actor, Permission.PLATFORM_OPERATE, on=PLATFORM, now=now
    ) as trail:
        trail.note(event, target=target, after=after)
