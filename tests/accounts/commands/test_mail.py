"""Mail is sent by a sweep: once, later where the server is down, never for a dead invitation."""

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
def letter(acme, now):
    return queue_mail(
        account=acme, to="lin@example.com", subject="Hello", body="Text.", now=now
    )


def test_a_due_mail_is_sent_once(letter, now):
    assert send_due_mail(now=now) == 1
    assert send_due_mail(now=now + timedelta(days=1)) == 0

    assert [(each.to, each.subject) for each in outbox.outbox] == [
        (["lin@example.com"], "Hello")
    ]
    letter.refresh_from_db()
    assert (letter.sent_at, letter.attempts, letter.problem) == (now, 1, "")


def test_an_invitations_mail_carries_its_link(acme, sam, now):
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


def test_a_mail_that_fails_waits_longer_and_keeps_the_problem(letter, now):
    with override_settings(EMAIL_BACKEND=BROKEN):
        assert send_due_mail(now=now) == 0
        assert send_due_mail(now=now + timedelta(seconds=59)) == 0
        assert send_due_mail(now=now + timedelta(seconds=60)) == 0

    letter.refresh_from_db()
    assert letter.attempts == 2
    assert letter.problem == "SMTPServerDisconnected: connection lost"
    assert letter.due_at == now + timedelta(seconds=60) + timedelta(minutes=2)
    assert send_due_mail(now=letter.due_at) == 1
    letter.refresh_from_db()
    assert letter.problem == ""


def test_a_mail_claimed_by_another_sweep_is_left_alone(letter, now, monkeypatch):
    def claimed_meanwhile(attempts):
        OutgoingMail.objects.filter(pk=letter.pk).update(
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
