"""Email: queued with the change that causes it, sent after commit by a sweep.

Delivery changes no state of an account, so it is not a `recorded_change`; the change that queued
the email is recorded.
"""

import logging
from datetime import datetime, timedelta
from textwrap import shorten
from typing import Final
from urllib.parse import urlsplit

from allauth.account import app_settings
from allauth.account.utils import user_pk_to_url_str
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.core.signing import BadSignature, Signer
from django.db.models import F
from django.template.loader import render_to_string
from django.urls import reverse

from accounts.models import (
    MAX_PROBLEM_LENGTH,
    MAX_SUBJECT_LENGTH,
    Account,
    Invitation,
    OutgoingMail,
    User,
)
from accounts.sweep_time import while_time_is_left

logger = logging.getLogger(__name__)

INVITATION_SALT: Final = "accounts.invitation"
LINK: Final = "{link}"
# After a short failure of the mail server the delay is a minute, after a long one some hours.
FIRST_DELAY: Final = timedelta(minutes=1)
MAX_DELAY: Final = timedelta(hours=6)
BATCH: Final = 100


def invitation_key(invitation: Invitation) -> str:
    """Return the key in an invitation's link: its signed id."""
    return Signer(salt=INVITATION_SALT).sign(invitation.pk)


def invitation_id_of(key: str) -> str | None:
    """Return the id in a link's key, or None if the signature does not match."""
    try:
        return Signer(salt=INVITATION_SALT).unsign(key)
    except BadSignature:
        return None


def link_of(invitation: Invitation) -> str:
    """Return the URL at which an invitation is accepted."""
    return f"{settings.PORTAL_URL}{reverse('join', args=[invitation_key(invitation)])}"


def password_link_of(user: User) -> str:
    """Return the URL at which a user sets a password, once; it ends when they have one."""
    token = app_settings.PASSWORD_RESET_TOKEN_GENERATOR().make_token(user)
    path = reverse(
        "account_reset_password_from_key",
        kwargs={"uidb36": user_pk_to_url_str(user), "key": token},
    )
    return f"{settings.PORTAL_URL}{path}"


def queue_mail(
    *,
    account: Account | None,
    to: str,
    subject: str,
    body: str,
    now: datetime,
    invitation: Invitation | None = None,
    password_of: User | None = None,
) -> OutgoingMail:
    """Queue an email within the caller's `recorded_change`; a sweep sends it after commit."""
    return OutgoingMail.objects.create(
        account=account,
        invitation=invitation,
        password_of=password_of,
        to=to,
        subject=shorten(subject, MAX_SUBJECT_LENGTH, placeholder="…"),
        body=body,
        created_at=now,
        due_at=now,
    )


def send_due_mail(*, now: datetime) -> int:
    """Send the emails that are due, for about 20 seconds at most; return how many were sent.

    An email is claimed by moving its due time, so that two sweeps do not send it at the same time.
    If the process crashes before the result is stored, the email is sent again. An email for an
    invitation that can no longer be accepted is not sent.
    """
    due = (
        OutgoingMail.sendable(now)
        .select_related("invitation", "password_of")
        .filter(due_at__lte=now)
        .order_by("due_at", "pk")[:BATCH]
    )
    return sum(_send(mail, now=now) for mail in while_time_is_left(due))


def delay_after(attempts: int) -> timedelta:
    """Return the delay after a number of attempts: it doubles, up to six hours."""
    # Ten doublings exceed the maximum; more would overflow a timedelta.
    doublings: int = min(max(attempts - 1, 0), 10)
    return min(FIRST_DELAY * (1 << doublings), MAX_DELAY)


def _message(mail: OutgoingMail, body: str) -> EmailMultiAlternatives:
    """Return the message: the same words as text and as HTML, with an id that stays the same."""
    host = urlsplit(settings.PORTAL_URL).hostname
    message = EmailMultiAlternatives(
        mail.subject,
        body,
        to=[mail.to],
        headers={"Message-ID": f"<mail-{mail.pk}@{host}>"},
    )
    attach_html(message)
    return message


def attach_html(message: EmailMultiAlternatives) -> None:
    """Add the text of an email as HTML, with its URLs as links."""
    words = {"subject": message.subject, "body": message.body}
    message.attach_alternative(
        render_to_string("accounts/email.html", words), "text/html"
    )


def _send(mail: OutgoingMail, *, now: datetime) -> bool:
    claimed = OutgoingMail.unsent().filter(pk=mail.pk, due_at=mail.due_at)
    if not claimed.update(
        due_at=now + delay_after(mail.attempts + 1), attempts=F("attempts") + 1
    ):
        return False
    body = mail.body
    if mail.invitation is not None:
        body = body.replace(LINK, link_of(mail.invitation))
    if mail.password_of is not None:
        body = body.replace(LINK, password_link_of(mail.password_of))
    row = OutgoingMail.objects.filter(pk=mail.pk)
    try:
        _message(mail, body).send()
    except (OSError, ValueError) as error:  # SMTP errors; invalid headers
        logger.exception("An email could not be sent.", extra={"mail": mail.pk})
        row.update(problem=f"{type(error).__name__}: {error}"[:MAX_PROBLEM_LENGTH])
        return False
    row.update(sent_at=now, problem="")
    return True
