"""Mail: written with the change that causes it, sent after it by a sweep.

What is written here about a mail's fate is no change of the account's state, so it passes no door
and leaves no note; the change that caused the mail has left one.
"""

import logging
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.signing import BadSignature, Signer
from django.db.models import F, Q
from django.urls import reverse

from accounts.models import Account, Invitation, OutgoingMail

logger = logging.getLogger(__name__)

INVITATION_SALT: Final = "accounts.invitation"
LINK: Final = "{link}"
# A mail server that is down for a minute costs a minute, one that is down for a day some hours.
FIRST_DELAY: Final = timedelta(minutes=1)
MAX_DELAY: Final = timedelta(hours=6)
BATCH: Final = 100
MAX_SUBJECT_LENGTH: Final = 200
MAX_PROBLEM_LENGTH: Final = 500


def invitation_key(invitation: Invitation) -> str:
    """Return what stands in an invitation's link: its id, signed."""
    return Signer(salt=INVITATION_SALT).sign(invitation.pk)


def invitation_id_of(key: str) -> str | None:
    """Return the id in a link's key, None for a forged or torn one."""
    try:
        return Signer(salt=INVITATION_SALT).unsign(key)
    except BadSignature:
        return None


def link_of(invitation: Invitation) -> str:
    """Return the address at which an invitation is accepted."""
    return f"{settings.PORTAL_URL}{reverse('join', args=[invitation_key(invitation)])}"


def queue_mail(
    *,
    account: Account,
    to: str,
    subject: str,
    body: str,
    now: datetime,
    invitation: Invitation | None = None,
) -> OutgoingMail:
    """Write a mail inside the caller's door; a sweep sends it once the change is committed."""
    return OutgoingMail.objects.create(
        account=account,
        invitation=invitation,
        to=to,
        subject=subject[:MAX_SUBJECT_LENGTH],
        body=body,
        created_at=now,
        due_at=now,
    )


def send_due_mail(*, now: datetime) -> int:
    """Send what is due, and return how many were sent.

    A mail is claimed by moving its hour on, so that two sweeps never send the same one at once; a
    process that dies between sending and saying so sends it again. Mail for an invitation that
    can no longer be accepted stays unsent.
    """
    alive = Q(
        invitation__accepted_at=None,
        invitation__revoked_at=None,
        invitation__expires_at__gt=now,
    )
    due = (
        OutgoingMail.unsent()
        .select_related("invitation")
        .filter(Q(invitation=None) | alive, due_at__lte=now)
        .order_by("due_at", "pk")[:BATCH]
    )
    return sum(_send(mail, now=now) for mail in due)


def delay_after(attempts: int) -> timedelta:
    """Return how long to wait after that many attempts: doubling, up to six hours."""
    # A doubling beyond the longest delay is not computed: the number would outgrow a timedelta.
    doublings: int = min(max(attempts - 1, 0), 10)
    return min(FIRST_DELAY * (1 << doublings), MAX_DELAY)


def _send(mail: OutgoingMail, *, now: datetime) -> bool:
    claimed = OutgoingMail.unsent().filter(pk=mail.pk, due_at=mail.due_at)
    if not claimed.update(
        due_at=now + delay_after(mail.attempts + 1), attempts=F("attempts") + 1
    ):
        return False
    body = mail.body
    if mail.invitation is not None:
        body = body.replace(LINK, link_of(mail.invitation))
    row = OutgoingMail.objects.filter(pk=mail.pk)
    try:
        EmailMessage(mail.subject, body, to=[mail.to]).send()
    except (
        OSError,
        ValueError,
    ) as error:  # SMTP's errors are OSErrors; a bad header a ValueError
        logger.exception("A mail could not be sent.", extra={"mail": mail.pk})
        row.update(problem=f"{type(error).__name__}: {error}"[:MAX_PROBLEM_LENGTH])
        return False
    row.update(sent_at=now, problem="")
    return True
