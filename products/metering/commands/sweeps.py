"""Mark the connections of which nobody speaks any more."""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from products.metering.models import ConnectionUsage
from products.metering.queries.current_usage import PRESUMED_CLOSED_AFTER, open_rows

# Marked in one transaction: few enough that a report of them waits for no longer than a moment.
CHUNK = 1_000


def presume_closed(now: datetime) -> int:
    """Mark connections that were not reported for five minutes, and return how many.

    Their last known durations stand; a later report opens them again. Bookkeeping, so no door.
    """
    ids = list(_silent(now).values_list("pk", flat=True))
    starts = range(0, len(ids), CHUNK)
    return sum(_mark(ids[start : start + CHUNK], now) for start in starts)


def _silent(now: datetime) -> "QuerySet[ConnectionUsage]":
    """Return the rows to mark, in the order in which merges lock, so that neither can block both."""
    rows = open_rows().filter(last_reported_at__lte=now - PRESUMED_CLOSED_AFTER)
    return rows.order_by("connection_id", "month")


def _mark(ids: Sequence[int], now: datetime) -> int:
    with transaction.atomic():
        # Who is locked is being reported, and so not silent. SQLite has one writer and no locks.
        rows = _silent(now).filter(pk__in=ids).select_for_update(skip_locked=True)
        locked = list(rows.values_list("pk", flat=True))
        marked = ConnectionUsage.objects.filter(pk__in=locked)
        return marked.update(presumed_closed_at=now)
