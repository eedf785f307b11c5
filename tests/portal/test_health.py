"""`/healthz`, `/readyz` and `manage.py status`."""

from datetime import timedelta
from io import StringIO

import pytest
from celery import Celery
from django.core.management import call_command
from django.db import connection

from accounts.audit import triggers
from accounts.audit.models import ChainHead
from accounts.commands.mail import queue_mail
from accounts.models import User
from portal import health
from products.metering.models import Edge
from tests.factories import NOW
from tests.factories.accounts import AccountFactory


def test_healthz_asks_no_database_and_needs_no_proxy(client, settings):
    settings.TRUSTED_PROXIES = 1

    response = client.get("/healthz")

    assert (response.status_code, response.content) == (200, b"ok\n")


@pytest.fixture
def broker(monkeypatch):
    monkeypatch.setattr(health.celery.conf, "broker_url", "memory://")


@pytest.mark.usefixtures("db", "broker")
def test_readyz_lists_every_check(client):
    response = client.get("/readyz")

    assert response.status_code == 200
    assert response.json() == dict.fromkeys(
        (
            "database",
            "broker",
            "migrations",
            "triggers",
            "work",
            "stuck",
            "edges",
            "clock",
        ),
        "ok",
    )


@pytest.mark.django_db(transaction=True)
def test_readyz_is_503_if_the_trail_can_be_altered(client):
    triggers.remove(connection)
    try:
        response = client.get("/readyz")
    finally:
        triggers.install(connection)

    assert response.status_code == 503
    assert response.json()["triggers"].startswith("missing: ")


@pytest.mark.usefixtures("db", "broker")
def test_readyz_lists_an_edge_that_is_offline_and_stays_200(client):
    long_ago = NOW - timedelta(days=900)
    Edge.objects.create(
        name="edge-1", digest="x", created_at=long_ago, last_seen_at=long_ago
    )

    response = client.get("/readyz")

    assert response.status_code == 200
    assert response.json()["edges"] == "offline: edge-1"


def test_of_many_edges_some_are_named_and_the_others_are_counted(db):
    long_ago = NOW - timedelta(days=900)
    for number in range(1_012):
        Edge.objects.create(
            name=f"edge-{number:04}",
            digest=str(number),
            created_at=long_ago,
            last_seen_at=long_ago,
            clock_offset_ms=90_000,
        )
    names = ", ".join(f"edge-{number:04}" for number in range(10))

    found = [health.check_edges(NOW).found, health.check_clock(NOW).found]

    assert found == [
        f"offline: {names} and 1,002 more",
        f"differs at: {names} and 1,002 more",
    ]


def test_a_broker_that_does_not_answer_is_no_reason_to_show_no_page(monkeypatch):
    broker = Celery(broker="amqp://127.0.0.1:1//")
    monkeypatch.setattr(health, "BROKER_SECONDS", 0.2)
    monkeypatch.setattr(health, "celery", broker)

    result = health.check_broker()

    assert result.found == "OperationalError"
    assert not result.stops_the_portal


@pytest.mark.usefixtures("db", "broker")
def test_status_exits_with_1_and_says_what_to_do():
    queue_mail(
        account=AccountFactory.create(),
        to="sam@acme.example",
        subject="Late",
        body="Late",
        now=NOW - timedelta(days=900),
    )
    output = StringIO()

    with pytest.raises(SystemExit) as ended:
        call_command("status", stdout=output)

    assert ended.value.code == 1
    assert "work        send-mail is overdue by " in output.getvalue()
    assert "Start the worker" in output.getvalue()
    assert "Waiting to be sent: emails: 1\n" in output.getvalue()


@pytest.mark.usefixtures("db")
def test_overdue_work_says_for_how_long_in_words():
    queue_mail(
        account=AccountFactory.create(),
        to="sam@acme.example",
        subject="Late",
        body="Late",
        now=NOW - timedelta(days=30, hours=2),
    )

    assert health.check_work(NOW).found == "send-mail is overdue by 30 d 2 h"


def test_system_status_in_the_admin_is_for_staff_and_says_what_to_do(
    client, broker, ada, sam
):
    client.force_login(User.objects.get(pk=sam.user_id))
    refused = client.get("/admin/status/")
    long_ago = NOW - timedelta(days=900)
    Edge.objects.create(
        name="edge-1", digest="x", created_at=long_ago, last_seen_at=long_ago
    )

    client.force_login(User.objects.get(pk=ada.user_id))
    page = client.get("/admin/status/").content.decode()

    assert refused.status_code == 302
    assert "offline: edge-1" in page
    assert "Start the edge, or revoke its credential" in page
    assert 'href="/admin/status/"' in client.get("/admin/").content.decode()


@pytest.mark.parametrize(
    ("ahead", "offset_ms", "found"),
    [
        (2.0, 2000, "ok"),
        (2.5, 0, "2 s behind the last audit entry"),
        (0, -2001, "differs at: edge-1"),
        (3600, 2001, "3600 s behind the last audit entry, differs at: edge-1"),
    ],
)
def test_clocks_that_differ_by_more_than_two_seconds_are_reported(
    db, ahead, offset_ms, found
):
    at = NOW + timedelta(seconds=ahead)
    ChainHead.objects.create(account_id="acme", sequence=1, event_hash="x", at=at)
    Edge.objects.create(
        name="edge-1", digest="x", created_at=NOW, clock_offset_ms=offset_ms
    )

    assert health.check_clock(NOW).found == found


def test_the_admins_start_page_names_the_checks_that_failed(client, broker, ada):
    client.force_login(User.objects.get(pk=ada.user_id))
    assert "System status says" not in client.get("/admin/").content.decode()
    Edge.objects.create(
        name="edge-1", digest="x", created_at=NOW, clock_offset_ms=90_000
    )

    page = client.get("/admin/").content.decode()

    assert "Clock: differs at: edge-1." in page
