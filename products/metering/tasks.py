"""The sweeps of this flat: connections nobody speaks of, periods that reports have moved."""

from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from products.metering.commands import presume_closed, rebuild_moved

# Longer than the sweep's interval, so that one that failed is made up for by the next.
LOOKS_BACK = timedelta(hours=1)


@shared_task(name="products.metering.tasks.presume_closed", acks_late=True)
def presume_silent_closed() -> None:
    """Mark the connections that were not reported for five minutes."""
    presume_closed(timezone.now())


@shared_task(name="products.metering.tasks.rebuild_usage", acks_late=True)
def rebuild_moved_usage() -> None:
    """Derive the periods again that reports have moved."""
    now = timezone.now()
    rebuild_moved(since=now - LOOKS_BACK, now=now)
