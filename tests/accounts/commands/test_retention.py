"""What the sweep of old sessions, emails, notices and personal data deletes, and what it keeps."""

from datetime import timedelta

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session

from accounts.audit.models import AuditEvent, PersonalData
from accounts.audit.queries import verify
from accounts.commands.mail import queue_mail
from accounts.commands.profiles import rename_account
from accounts.commands.retention import apply_retention
from accounts.models import Invitation, Notice, OutgoingMail
from portal.due_work import due_since
from tests.factories import NOW

DAY = timedelta(days=1)


def names_after_sweep(now):
    apply_retention(now=now)
    return set(OutgoingMail.objects.values_list("subject", flat=True))


def mail(account, subject, *, created_at=NOW, **fields):
    queued = queue_mail(
        account=account, to="s@acme.example", subject=subject, body="b", now=created_at
    )
    OutgoingMail.objects.filter(pk=queued.pk).update(**fields)


def test_emails_are_deleted_when_they_were_sent_long_ago_or_cannot_be_sent(
    acme, settings
):
    settings.MAIL_KEEP_DAYS = 10
    ended = Invitation.objects.create(
        account=acme, email="l@x.example", role="user", created_at=NOW, expires_at=NOW
    )
    mail(acme, "sent", sent_at=NOW)
    mail(acme, "sent later", sent_at=NOW + DAY)
    mail(acme, "waiting")
    mail(acme, "invitation ended", invitation=ended)

    before = names_after_sweep(NOW + 10 * DAY - timedelta(seconds=1))
    after = names_after_sweep(NOW + 10 * DAY)

    assert before == {"sent", "sent later", "waiting", "invitation ended"}
    assert after == {"sent later", "waiting"}


def notice(actor, account, sequence, at, **fields):
    Notice.objects.create(
        user_id=actor.user_id,
        account=account,
        sequence=sequence,
        topic="access",
        sentence=f"entry {sequence}",
        page="/",
        at=at,
        **fields,
    )


def test_notices_are_deleted_after_their_time_read_or_not(ada, acme, settings):
    settings.NOTICE_KEEP_DAYS = 10
    notice(ada, acme, 1, NOW)
    notice(ada, acme, 2, NOW, read_at=NOW)
    notice(ada, acme, 3, NOW + DAY)
    end = NOW + 10 * DAY

    apply_retention(now=end - timedelta(seconds=1))
    assert Notice.objects.count() == 3
    assert due_since(end)["apply-retention"] == end
    apply_retention(now=end)

    assert [each.sequence for each in Notice.objects.all()] == [3]
    assert due_since(end)["apply-retention"] is None


def test_expired_sessions_are_deleted_with_their_addresses(ada):
    for key, expires_at in (("old", NOW), ("new", NOW + DAY)):
        Session.objects.create(session_key=key, expire_date=expires_at)
        UserSession.objects.create(
            user_id=ada.user_id, session_key=key, ip="192.0.2.7", user_agent="x"
        )

    apply_retention(now=NOW)

    assert [each.session_key for each in Session.objects.all()] == ["new"]
    assert [each.session_key for each in UserSession.objects.all()] == ["new"]


@pytest.mark.parametrize(("days", "kept"), [(10, {2}), (0, {1, 2})])
def test_personal_data_of_old_entries_is_erased_and_the_trail_stays_valid(
    sam, acme, settings, days, kept
):
    settings.PERSONAL_DATA_KEEP_DAYS = days
    rename_account(sam, account=acme, name="First", now=NOW)
    rename_account(sam, account=acme, name="Second", now=NOW + DAY)

    apply_retention(now=NOW + 10 * DAY)

    found = PersonalData.objects.filter(account_id=acme.pk)
    assert set(found.values_list("sequence", flat=True)) == kept
    assert AuditEvent.objects.filter(account_id=acme.pk).count() == 2
    assert verify(acme.pk).is_valid
