"""The sweeps of this storey: mail."""

from celery import shared_task
from django.utils import timezone

from accounts.commands.mail import send_due_mail


@shared_task(name="accounts.tasks.send_mail", acks_late=True)
def send_mail() -> None:
    """Send the mail that is due."""
    send_due_mail(now=timezone.now())
