"""The sweeps of this flat: connections nobody speaks of, periods that have moved or are over."""

from celery import shared_task
from django.utils import timezone

from products.metering.commands import presume_closed, rebuild_dirty_periods


@shared_task(name="products.metering.tasks.presume_closed", acks_late=True)
def presume_silent_closed() -> None:
    """Mark the connections that were not reported for five minutes."""
    presume_closed(timezone.now())


@shared_task(name="products.metering.tasks.rebuild_usage", acks_late=True)
def rebuild_moved_usage() -> None:
    """Derive the periods again that have moved, and settle those that are over."""
    rebuild_dirty_periods(now=timezone.now())
