"""The sweeps of accounts: notices, email, tokens that expire, deleting what need not be kept."""

from celery import shared_task
from django.utils import timezone

from accounts.commands import kept_responses
from accounts.commands.mail import send_due_mail
from accounts.commands.notices import make_notices
from accounts.commands.retention import apply_retention
from accounts.commands.token_expiry import check_tokens


@shared_task(name="accounts.tasks.make_notices", acks_late=True)
def make() -> None:
    """Make the notices of what is new in the trails."""
    make_notices(now=timezone.now())


@shared_task(name="accounts.tasks.send_mail", acks_late=True)
def send_mail() -> None:
    """Send the emails that are due."""
    send_due_mail(now=timezone.now())


@shared_task(name="accounts.tasks.delete_old_responses", acks_late=True)
def delete_old_responses() -> None:
    """Delete the responses that were kept long enough."""
    kept_responses.delete_old_responses(now=timezone.now())


@shared_task(name="accounts.tasks.apply_retention", acks_late=True)
def delete_old() -> None:
    """Delete old sessions, emails, notices and personal data."""
    apply_retention(now=timezone.now())


@shared_task(name="accounts.tasks.check_tokens", acks_late=True)
def check_expiring_tokens() -> None:
    """Give notice of API tokens that expire soon."""
    check_tokens(now=timezone.now())
