"""Email sent by a sweep: once, retried after a failure, never for an invitation that ended."""

import smtplib
from datetime import timedelta

import pytest
from django.core import mail as outbox
from django.core.mail.backends.locmem import EmailBackend
from django.test import override_settings

from accounts.commands.invitations import invite, revoke_invitation
from accounts.commands.mail import delay_after, link_of, queue_mail, send_due_mail
from accounts.models import OutgoingMail

BROKEN = "tests.accounts.commands.test_mail.BrokenBackend"


class BrokenBackend(EmailBackend):
    """A mail server that refuses."""

    def send_messages(self, messages):
        raise smtplib.SMTPServerDisconnected("connection lost")


@pytest.fixture
def queued(acme, now):
    return queue_mail(
        account=acme, to="lin@example.com", subject="Hello", body="Text.", now=now
    )


def test_a_due_email_is_sent_once(queued, now):
    assert send_due_mail(now=now) == 1
    assert send_due_mail(now=now + timedelta(days=1)) == 0

    assert [(each.to, each.subject) for each in outbox.outbox] == [
        (["lin@example.com"], "Hello")
    ]
    queued.refresh_from_db()
    assert (queued.sent_at, queued.attempts, queued.problem) == (now, 1, "")


def test_the_email_of_an_invitation_contains_its_link(acme, sam, now):
    invitation = invite(
        sam, account=acme, email="lin@example.com", role="user", now=now
    )

    assert send_due_mail(now=now) == 1

    assert link_of(invitation) in outbox.outbox[0].body
    assert "{link}" not in outbox.outbox[0].body


def test_a_withdrawn_or_expired_invitation_is_not_sent(acme, sam, now):
    first = invite(sam, account=acme, email="lin@example.com", role="user", now=now)
    invite(sam, account=acme, email="ned@example.com", role="user", now=now)
    revoke_invitation(sam, invitation=first, now=now)

    assert send_due_mail(now=now + timedelta(days=7)) == 0

    assert outbox.outbox == []


def test_a_failed_email_is_retried_later_and_keeps_the_problem(queued, now):
    with override_settings(EMAIL_BACKEND=BROKEN):
        assert send_due_mail(now=now) == 0
        assert send_due_mail(now=now + timedelta(seconds=59)) == 0
        assert send_due_mail(now=now + timedelta(seconds=60)) == 0

    queued.refresh_from_db()
    assert queued.attempts == 2
    assert queued.problem == "SMTPServerDisconnected: connection lost"
    assert queued.due_at == now + timedelta(seconds=60) + timedelta(minutes=2)
    assert send_due_mail(now=queued.due_at) == 1
    queued.refresh_from_db()
    assert queued.problem == ""


def test_an_email_claimed_by_another_sweep_is_not_sent(queued, now, monkeypatch):
    def claimed_meanwhile(attempts):
        OutgoingMail.objects.filter(pk=queued.pk).update(
            due_at=now + timedelta(minutes=1)
        )
        return timedelta(minutes=1)

    monkeypatch.setattr("accounts.commands.mail.delay_after", claimed_meanwhile)

    assert send_due_mail(now=now) == 0
    assert outbox.outbox == []


@pytest.mark.parametrize(
    ("attempts", "minutes"), [(1, 1), (2, 2), (3, 4), (9, 256), (10, 360), (1000, 360)]
)
def test_the_delay_doubles_up_to_six_hours(attempts, minutes):
    assert delay_after(attempts) == timedelta(minutes=minutes)
