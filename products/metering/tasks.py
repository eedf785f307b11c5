"""The sweeps of metering: edges and connections without reports, and periods that are stale or close."""

from celery import shared_task
from django.utils import timezone

from products.metering.commands import (
    check_edges,
    presume_closed,
    rebuild_stale_periods,
    void_late_merges,
)


@shared_task(name="products.metering.tasks.check_edges", acks_late=True)
def note_outages() -> None:
    """Note the outages of edges that began and ended."""
    check_edges(now=timezone.now())


@shared_task(name="products.metering.tasks.presume_closed", acks_late=True)
def presume_silent_closed() -> None:
    """Mark connections that were not reported for five minutes as closed."""
    presume_closed(timezone.now())


@shared_task(name="products.metering.tasks.rebuild_usage", acks_late=True)
def rebuild_stale_usage() -> None:
    """Derive stale periods again, and close those that take no more reports."""
    now = timezone.now()
    void_late_merges(now)
    rebuild_stale_periods(now=now)
