"""The sweep of domain claims."""

from celery import shared_task
from django.utils import timezone

from products.domains import commands


@shared_task(name="products.domains.tasks.sweep_claims", acks_late=True)
def sweep_claims() -> None:
    """End claims that expired or are no longer used, and check those that are due."""
    commands.sweep_claims(now=timezone.now())
