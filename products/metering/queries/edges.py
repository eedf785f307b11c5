"""Edges by credential, and until when their usage is complete."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Min, Q, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce

from accounts.models import Account
from accounts.tokens import digests
from products.instants import microseconds_of
from products.metering.models import (
    ConnectionUsage,
    DeliveryUsage,
    Edge,
    IngestEpoch,
)
from products.services.models import Service

_ROUTES_REVISION = (
    Account.objects.order_by()
    .annotate(one=Value(1))
    .values("one")
    .annotate(total=Sum("routes_revision"))
    .values("total")
)
_EPOCH = IngestEpoch.objects.values("epoch")[:1]
# An edge asks for its table every second, which is saved every few. After this it is offline.
OFFLINE_AFTER = timedelta(seconds=30)
# After this, an offline edge matters only to accounts that have open connections there.
LOST_AFTER = timedelta(hours=1)


def edge_of(secret: str, *, address: str, now: datetime) -> Edge | None:
    """Return the edge with this active credential; None for any other. One query.

    None also for a credential that has expired or is bound to other addresses. The credential that
    was replaced last is accepted for a while, so that edges can change to the new one without a
    gap, and so is one that the edge has renewed and not used yet.

    Its `routes_revision` is the sum over all accounts, which grows with every change of a route,
    and `ingest_epoch` that of the database. With both in this query, an unchanged route table
    costs nothing more.
    """
    known = digests(secret)
    previous = Q(previous_digest__in=known, previous_until__gt=now)
    edge = (
        Edge.objects.filter(
            Q(digest__in=known) | previous | Q(next_digest__in=known), revoked_at=None
        )
        .annotate(
            routes_revision=Coalesce(Subquery(_ROUTES_REVISION), 0),
            ingest_epoch=Coalesce(Subquery(_EPOCH), Value("")),
        )
        .first()
    )
    if edge is None or not edge.is_permitted_from(address):
        return None
    is_renewed = edge.next_digest in known
    return edge if is_renewed or not edge.has_expired(now) else None


def active_edges() -> "QuerySet[Edge]":
    """Return the edges whose credential is not revoked, by name."""
    return Edge.objects.filter(revoked_at=None).order_by("name")


def seen_edges() -> "QuerySet[Edge]":
    """Return the active edges that were ever online, by name."""
    return active_edges().filter(last_seen_at__isnull=False)


def offline_edges(now: datetime) -> "QuerySet[Edge]":
    """Return the active edges that have been online and are not, by name."""
    return active_edges().filter(last_seen_at__lt=now - OFFLINE_AFTER)


def accounts_served(edge: str, since: datetime) -> list[str]:
    """Return the accounts whose traffic went over an edge since an instant, or still goes, by id."""
    used = ConnectionUsage.objects.filter(edge=edge)
    started = used.filter(started_us__gte=microseconds_of(since))
    is_open = used.filter(final=False, presumed_closed_at=None)
    delivered = DeliveryUsage.objects.filter(
        edge=edge, hour__gt=since - timedelta(hours=1)
    )
    services = {
        *started.order_by().values_list("service", flat=True).distinct(),
        *is_open.order_by().values_list("service", flat=True).distinct(),
        *delivered.order_by().values_list("service", flat=True).distinct(),
    }
    owners = Service.objects.filter(pk__in=services).order_by("account_id")
    return list(owners.values_list("account_id", flat=True).distinct())


def complete_to() -> datetime | None:
    """Return until when all usage has arrived from all active edges; None if one never reported.

    Credentials that were never used are left out.
    """
    rows = seen_edges().order_by().values_list("reported_at", flat=True)
    return _arrived_from_all(list(rows))


def _arrived_from_all(reported: Sequence[datetime | None]) -> datetime | None:
    known = [at for at in reported if at is not None]
    return min(known) if known and len(known) == len(reported) else None


@dataclass(frozen=True, slots=True)
class Freshness:
    """Until when all usage has arrived, and how many edges are offline since when.

    `complete_to` is None if an edge has never reported, or if there is none.
    """

    complete_to: datetime | None
    offline: int = 0
    offline_since: datetime | None = None


def freshness(now: datetime, *, counted_at: datetime | None = None) -> Freshness:
    """Return until when the usage is complete, and what it waits for: one query.

    With `counted_at`, of figures that were computed then.
    """
    edges = list(seen_edges())
    arrived = _arrived_from_all([each.reported_at for each in edges])
    seen = [each.last_seen_at for each in edges if each.last_seen_at]
    lost = [at for at in seen if at < now - OFFLINE_AFTER]
    return Freshness(
        complete_to=min(counted_at or now, now, arrived) if arrived else None,
        offline=len(lost),
        offline_since=min(lost, default=None),
    )


def edges_behind(until: datetime) -> "QuerySet[Edge]":
    """Return the active edges whose usage up to an instant has not all arrived, by name.

    Credentials that were never used are left out.
    """
    return seen_edges().filter(Q(reported_at=None) | Q(reported_at__lt=until))


def unknown_since(carriers: Collection[str], now: datetime) -> datetime | None:
    """Return the last request of the edge that is offline longest; None if none matters.

    The `carriers` matter: they have connections of the account that never ended. Any other edge
    matters for an hour, because it may have connections that it has not reported.
    """
    matters = Q(name__in=carriers) | Q(last_seen_at__gte=now - LOST_AFTER)
    offline = offline_edges(now).filter(matters).order_by()
    since: datetime | None = offline.aggregate(since=Min("last_seen_at"))["since"]
    return since


def current_epoch() -> str:
    """Return the ingest epoch; "" before the first report."""
    return IngestEpoch.objects.values_list("epoch", flat=True).first() or ""
