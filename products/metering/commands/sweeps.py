"""Mark the connections of which nobody speaks any more."""

from datetime import datetime

from django.db.models import Exists, OuterRef

from products.metering.models import ConnectionUsage
from products.metering.queries.live import PRESUMED_CLOSED_AFTER


def presume_closed(now: datetime) -> int:
    """Mark connections that were not reported for five minutes, and return how many.

    Their last known durations stand; a later report opens them again. A row whose connection
    lives on in a later month is done with, and not marked. Bookkeeping, so no door.
    """
    later = ConnectionUsage.objects.filter(
        connection_id=OuterRef("connection_id"), month__gt=OuterRef("month")
    )
    return (
        ConnectionUsage.objects.filter(
            final=False,
            presumed_closed_at=None,
            last_reported_at__lte=now - PRESUMED_CLOSED_AFTER,
        )
        .filter(~Exists(later))
        .update(presumed_closed_at=now)
    )
