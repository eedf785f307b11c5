"""Deletes what need not be kept: sessions, emails, notices, personal data of old audit entries.

The settings say for how long each is kept. The audit trail stays: its entries have only hashes of
personal data.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db.models import Max, Q, QuerySet

from accounts.audit.models import AuditEvent, ChainHead, PersonalData
from accounts.models import Notice, OutgoingMail


def apply_retention(*, now: datetime) -> None:
    """Delete what is older than the settings allow."""
    Session.objects.filter(expire_date__lte=now).delete()
    known = Session.objects.values("session_key")
    UserSession.objects.exclude(session_key__in=known).delete()
    old_mail(now).delete()
    old_notices(now).delete()
    for personal in old_personal_data(now):
        personal.delete()


def old_mail(now: datetime) -> "QuerySet[OutgoingMail]":
    """Return the emails that were sent long ago, or queued long ago and can't be sent."""
    before = now - timedelta(days=settings.MAIL_KEEP_DAYS)
    unsendable = OutgoingMail.unsent().exclude(pk__in=OutgoingMail.sendable(now))
    return OutgoingMail.objects.filter(
        Q(sent_at__lte=before) | Q(pk__in=unsendable, created_at__lte=before)
    )


def old_notices(now: datetime) -> "QuerySet[Notice]":
    """Return the notices of long ago, read or not; the trail keeps what they were about."""
    before = now - timedelta(days=settings.NOTICE_KEEP_DAYS)
    return Notice.objects.filter(at__lte=before)


def old_personal_data(now: datetime) -> Iterator["QuerySet[PersonalData]"]:
    """Yield the personal data of old entries, by account; within a trail, time never decreases."""
    if settings.PERSONAL_DATA_KEEP_DAYS == 0:
        return
    before = now - timedelta(days=settings.PERSONAL_DATA_KEEP_DAYS)
    accounts = PersonalData.objects.order_by().values("account_id").distinct()
    for head in ChainHead.objects.filter(pk__in=accounts).order_by("pk"):
        entries = AuditEvent.objects.filter(account_id=head.pk, at__lte=before)
        last = entries.aggregate(last=Max("sequence"))["last"]
        if last is not None:
            yield PersonalData.objects.filter(account_id=head.pk, sequence__lte=last)
