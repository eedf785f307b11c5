"""The edges that may speak to the portal, and how far what they say reaches."""

from collections.abc import Collection
from datetime import datetime, timedelta

from django.db.models import Min, Q, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce

from accounts.audit.models import ChainHead
from accounts.tokens import digests
from products.metering.models import Edge, IngestEpoch

HEIGHT = (
    ChainHead.objects.order_by()
    .annotate(one=Value(1))
    .values("one")
    .annotate(total=Sum("sequence"))
    .values("total")
)
# An edge asks for its table every second and is noted every few; after this it is silent.
OFFLINE_AFTER = timedelta(seconds=30)
# After this, a silent edge is taken to be gone, except by those whose connections it has.
LOST_AFTER = timedelta(hours=1)


def edge_of(secret: str) -> Edge | None:
    """Return the edge whose live credential this is; None for any other. One query.

    Its `trails_height` is how many events all trails hold together, which moves with every
    change: with it in the same query, an unchanged route table costs nothing more.
    """
    return (
        Edge.objects.filter(digest__in=digests(secret), revoked_at=None)
        .annotate(trails_height=Coalesce(Subquery(HEIGHT), 0))
        .first()
    )


def active_edges() -> "QuerySet[Edge]":
    """Return the edges whose credentials live, by name."""
    return Edge.objects.filter(revoked_at=None).order_by("name")


def complete_to() -> datetime | None:
    """Return until when all live edges have reported all they counted; None while one has not yet.

    A credential that was never used holds nothing up.
    """
    seen = active_edges().filter(last_seen_at__isnull=False)
    reported = list(seen.order_by().values_list("reported_at", flat=True))
    if not reported or None in reported:
        return None
    return min(at for at in reported if at is not None)


def unknown_since(carriers: Collection[str], now: datetime) -> datetime | None:
    """Return the last word of the edge that is silent longest; None where all speak that matter.

    Those named as `carriers` do: they have connections of the one who asks that never ended. So does
    any other for an hour, since it may carry more of them unseen.
    """
    matters = Q(name__in=carriers) | Q(last_seen_at__gte=now - LOST_AFTER)
    silent = active_edges().filter(matters, last_seen_at__lt=now - OFFLINE_AFTER)
    since: datetime | None = silent.order_by().aggregate(since=Min("last_seen_at"))[
        "since"
    ]
    return since


def current_epoch() -> str:
    """Return the epoch that edges are told; "" before the first report ever."""
    return IngestEpoch.objects.values_list("epoch", flat=True).first() or ""
