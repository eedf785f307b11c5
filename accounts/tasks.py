"""The sweeps of accounts: sending email."""

from celery import shared_task
from django.utils import timezone

from accounts.commands.mail import send_due_mail


@shared_task(name="accounts.tasks.send_mail", acks_late=True)
def send_mail() -> None:
    """Send the emails that are due."""
    send_due_mail(now=timezone.now())
