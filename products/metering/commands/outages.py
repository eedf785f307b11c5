"""Notes that edges stop reporting, and that they report again, for staff and the accounts they served.

An outage is noted once in the platform's trail and once in the trail of each account whose traffic
went over the edge in the 24 hours before. The readers of the trails tell people.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from django.db import DatabaseError
from django.db.models import QuerySet

from accounts.actor import Actor
from accounts.audit.vocabulary import Event
from accounts.change import Unchanged, recorded_change
from accounts.errors import RefusalError
from accounts.models import Account
from accounts.policy import PLATFORM
from accounts.roles import Permission
from products.metering.models import Edge, EdgeOutage
from products.metering.queries.edges import (
    OFFLINE_AFTER,
    accounts_served,
    active_edges,
)

logger = logging.getLogger(__name__)
JOB: Final = Actor.system("check-edges")
# A restart takes seconds. It is less than the time after which connections are presumed closed,
# because open ones say whom the edge served.
OUTAGE_AFTER: Final = timedelta(minutes=2)
SERVED_WITHIN: Final = timedelta(hours=24)


def edges_without_notice(now: datetime) -> "QuerySet[Edge]":
    """Return the edges that are silent for two minutes, and whose outage is not noted."""
    noted = EdgeOutage.objects.filter(account=None).values("edge")
    silent = active_edges().filter(last_seen_at__lte=now - OUTAGE_AFTER)
    return silent.exclude(name__in=noted)


def check_edges(*, now: datetime) -> None:
    """Note the outages that began and those that ended, each in every trail that it concerns."""
    for edge in edges_without_notice(now):
        _try(edge.name, partial(begin_outage, JOB, edge=edge, now=now))
    waiting = EdgeOutage.objects.filter(noted_at=None).order_by("pk")
    for outage in waiting.select_related("account"):
        _try(outage.edge, partial(note_outage, JOB, outage=outage, now=now))
    last_seen = dict(active_edges().values_list("name", "last_seen_at"))
    for outage in EdgeOutage.objects.select_related("account").order_by("pk"):
        seen_at = last_seen.get(outage.edge)
        if seen_at is None or seen_at > now - OFFLINE_AFTER:
            end = partial(end_outage, JOB, outage=outage, seen_at=seen_at, now=now)
            _try(outage.edge, end)


def _try(edge: str, work: Callable[[], None]) -> None:
    try:
        work()
    except (RefusalError, DatabaseError):
        logger.exception("An outage could not be noted.", extra={"edge": edge})


def begin_outage(actor: Actor, *, edge: Edge, now: datetime) -> None:
    """Note edge_outage.found in the platform's trail, and keep which accounts it is to be noted for.

    Raises Forbidden. An outage that is noted changes nothing.
    """
    with recorded_change(actor, Permission.EDGE_MANAGE, on=PLATFORM, now=now) as trail:
        if EdgeOutage.objects.filter(edge=edge.name, account=None).exists():
            raise Unchanged
        began_at = edge.last_seen_at
        assert began_at is not None  # noqa: S101 - see edges_without_notice
        EdgeOutage.objects.create(edge=edge.name, began_at=began_at, noted_at=trail.now)
        EdgeOutage.objects.bulk_create(
            EdgeOutage(edge=edge.name, account_id=account_id, began_at=began_at)
            for account_id in accounts_served(edge.name, began_at - SERVED_WITHIN)
        )
        trail.note(
            Event.EDGE_OUTAGE_FOUND,
            target=("edge", edge.pk, edge.name),
            after={"since": _text(began_at)},
        )


def note_outage(actor: Actor, *, outage: EdgeOutage, now: datetime) -> None:
    """Note edge_outage.found in the trail of an account. Raises Forbidden."""
    account = outage.account
    assert account is not None  # noqa: S101 - that of the platform is noted when it begins
    with recorded_change(actor, Permission.EDGE_MANAGE, on=account, now=now) as trail:
        noted = EdgeOutage.objects.filter(pk=outage.pk, noted_at=None)
        if not noted.update(noted_at=trail.now):
            raise Unchanged
        trail.note(
            Event.EDGE_OUTAGE_FOUND,
            target=("edge", outage.edge, outage.edge),
            after={"since": _text(outage.began_at)},
        )


def end_outage(
    actor: Actor, *, outage: EdgeOutage, seen_at: datetime | None, now: datetime
) -> None:
    """Note edge_outage.ended where the outage was noted; `seen_at` is None if the edge was removed.

    Raises Forbidden.
    """
    on: Account | None = outage.account
    with recorded_change(
        actor, Permission.EDGE_MANAGE, on=on or PLATFORM, now=now
    ) as trail:
        row = EdgeOutage.objects.filter(pk=outage.pk).first()
        if row is None:
            raise Unchanged
        row.delete()
        after = {"since": _text(row.began_at)}
        if seen_at is not None:
            after["online_at"] = _text(seen_at)
        trail.note(
            Event.EDGE_OUTAGE_ENDED,
            target=("edge", row.edge, row.edge),
            after=after,
        )


def _text(at: datetime) -> str:
    return at.isoformat(timespec="seconds")
