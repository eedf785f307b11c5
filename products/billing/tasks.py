"""The sweeps of billing: running bills and budgets, months that are over, and old usage records."""

from celery import shared_task
from django.utils import timezone

from products.billing.commands.retention import delete_old_usage
from products.billing.commands.sweeps import close_due_months, refresh_bills


@shared_task(name="products.billing.tasks.refresh_bills", acks_late=True)
def refresh_running_bills() -> None:
    """Compute the running bills again, and compare them with the budgets."""
    refresh_bills(timezone.now())


@shared_task(name="products.billing.tasks.close_months", acks_late=True)
def close_months() -> None:
    """Draft and finalise the invoices that are due, and correct final ones."""
    close_due_months(timezone.now())


@shared_task(name="products.billing.tasks.delete_old_usage", acks_late=True)
def delete_usage() -> None:
    """Delete the usage records of months that were closed and invoiced long ago."""
    delete_old_usage(now=timezone.now())
