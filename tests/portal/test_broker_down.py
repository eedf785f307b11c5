"""Fault 7: the broker is down. Changes do not need it, staff see it, and sweeps catch up."""

import socket
from datetime import timedelta

import pytest
from celery import Celery
from django.core import mail
from django.utils import timezone

from accounts.audit.models import AuditEvent
from accounts.commands.mail import queue_mail
from accounts.models import Account, User
from accounts.tasks import send_mail
from portal import health
from tests.factories.keys import key_of

FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def broker(monkeypatch):
    """Return a socket that accepts what is sent to the broker, and answers nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0)
        port = listener.getsockname()[1]
        dead = Celery(broker=f"amqp://127.0.0.1:{port}//")
        monkeypatch.setattr(health, "BROKER_SECONDS", 0.2)
        monkeypatch.setattr(health, "celery", dead)
        monkeypatch.setattr("celery._state.default_app", dead)
        yield listener


def test_changes_do_not_ask_the_broker(client, broker, sam):
    headers = {"Fastly-Key": key_of(sam)}

    made = client.post("/api/service", "name=new", FORM, headers=headers)
    account = Account.objects.get(pk=sam.account_id)
    queue_mail(
        account=account, to="s@x.example", subject="s", body="b", now=timezone.now()
    )

    assert made.status_code == 200
    assert AuditEvent.objects.filter(account_id=account.pk).exists()
    with pytest.raises(BlockingIOError):
        broker.accept()


def test_staff_read_that_the_broker_is_down(client, broker, ada):
    client.force_login(User.objects.get(pk=ada.user_id))

    page = client.get("/admin/").content.decode()

    assert "Broker: " in page
    assert client.get("/readyz").status_code == 200


def test_the_first_sweep_afterwards_does_what_was_due_meanwhile(acme):
    for minutes in range(5):
        at = timezone.now() - timedelta(minutes=minutes)
        queue_mail(
            account=acme, to="s@x.example", subject=str(minutes), body="b", now=at
        )

    send_mail()
    send_mail()  # a message that was delivered twice

    assert sorted(each.subject for each in mail.outbox) == ["0", "1", "2", "3", "4"]
