"""The edges that may speak to the portal."""

from django.db.models import QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce

from accounts.audit.models import ChainHead
from accounts.tokens import digests
from products.metering.models import Edge

HEIGHT = (
    ChainHead.objects.order_by()
    .annotate(one=Value(1))
    .values("one")
    .annotate(total=Sum("sequence"))
    .values("total")
)


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


def live_edges() -> "QuerySet[Edge]":
    """Return the edges whose credentials live, by name."""
    return Edge.objects.filter(revoked_at=None).order_by("name")
