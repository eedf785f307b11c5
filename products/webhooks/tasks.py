"""The sweeps of webhooks: deliver what is due, and remove old entries of the log."""

from celery import shared_task
from django.utils import timezone

from products.webhooks.commands import deliver_due, remove_old_deliveries


@shared_task(name="products.webhooks.tasks.deliver", acks_late=True)
def deliver() -> None:
    """Send the messages that are due."""
    deliver_due(now=timezone.now())


@shared_task(name="products.webhooks.tasks.remove_old", acks_late=True)
def remove_old() -> None:
    """Remove attempts that are older than 30 days."""
    remove_old_deliveries(now=timezone.now())
