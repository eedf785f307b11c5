"""The sweep of enablements: trials that end."""

from celery import shared_task
from django.utils import timezone

from products.enablement.commands import check_trials


@shared_task(name="products.enablement.tasks.check_trials", acks_late=True)
def check_running_trials() -> None:
    """End the trials that are due, and send notice of those that end soon."""
    check_trials(timezone.now())
