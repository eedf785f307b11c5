"""Mark the connections of which nobody speaks any more."""

from datetime import datetime

from products.metering.queries.live import PRESUMED_CLOSED_AFTER, unended


def presume_closed(now: datetime) -> int:
    """Mark connections that were not reported for five minutes, and return how many.

    Their last known durations stand; a later report opens them again. Bookkeeping, so no door.
    """
    silent = unended().filter(last_reported_at__lte=now - PRESUMED_CLOSED_AFTER)
    return silent.update(presumed_closed_at=now)
