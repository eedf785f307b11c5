"""The ingest epoch: declare that the database came back from a backup."""

from datetime import datetime

from accounts.actor import Actor
from accounts.audit.vocabulary import Event
from accounts.change import recorded_change
from accounts.ids import new_id
from accounts.policy import PLATFORM
from accounts.roles import Permission
from products.metering.models import IngestEpoch


def epoch(now: datetime) -> str:
    """Return the epoch that edges are told; made with the first report ever."""
    return IngestEpoch.objects.get_or_create(pk=1, defaults={"since": now})[0].epoch


def declare_restored(actor: Actor, *, now: datetime) -> str:
    """Begin a new epoch, so that edges send again all that they still keep, and return it.

    For the operator, after the database was restored from a backup. Raises Forbidden. Notes
    database.restored on the platform's chain.
    """
    new = new_id()
    with recorded_change(actor, Permission.EDGE_MANAGE, on=PLATFORM, now=now) as trail:
        before = IngestEpoch.objects.filter(pk=1).first()
        IngestEpoch.objects.update_or_create(
            pk=1, defaults={"epoch": new, "since": now}
        )
        trail.note(
            Event.DATABASE_RESTORED,
            target=("epoch", new, "ingest epoch"),
            before={"epoch": before.epoch} if before else None,
            after={"epoch": new},
        )
    return new
