"""Edges, usage and conflicts in the Django admin: to read, and conflicts to resolve."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.audit.models import AuditEvent
from accounts.audit.vocabulary import Event
from products.metering.commands import rebuild_usage
from products.metering.models import UsageConflict
from products.services.models import Service
from tests.factories import NOW
from tests.factories.accounts import UserFactory
from tests.products.metering.reports import (
    delivery,
    kept,
    make_edge,
    record,
    take,
)

KINDS = ("edge", "connectionusage", "deliveryusage", "usageconflict", "usageperiod")


@pytest.fixture
def staff_client(db) -> Client:
    client = Client()
    client.force_login(UserFactory.create(name="Ada", is_staff=True, is_superuser=True))
    return client


@pytest.fixture
def conflict(db, shop) -> UsageConflict:
    edge = make_edge()
    take(edge, record(service=shop.pk, duration_us=50, final=True), delivery())
    take(edge, record(service=shop.pk, duration_us=70))
    rebuild_usage(now=NOW)
    return UsageConflict.objects.get()


def resolve_page(conflict: UsageConflict) -> str:
    return reverse("admin:metering_usageconflict_resolve", args=[conflict.pk])


@pytest.mark.parametrize("kind", KINDS)
def test_staff_read_every_list_and_row(staff_client, conflict, kind):
    listed = staff_client.get(reverse(f"admin:metering_{kind}_changelist"))
    row = listed.context["cl"].result_list[0]
    shown = staff_client.get(reverse(f"admin:metering_{kind}_change", args=[row.pk]))
    added = staff_client.get(reverse(f"admin:metering_{kind}_add"))

    assert (listed.status_code, shown.status_code, added.status_code) == (200, 200, 403)


@pytest.mark.parametrize("kind", KINDS)
def test_a_member_reads_none_of_it(conflict, kind, shop):
    client = Client()
    client.force_login(UserFactory.create(name="Una"))

    answer = client.get(reverse(f"admin:metering_{kind}_changelist"))

    assert (answer.status_code, answer.headers["Location"][:13]) == (
        302,
        "/admin/login/",
    )


def test_the_list_of_edges_says_how_each_does(staff_client):
    now = timezone.now()
    make_edge(
        "lon-1",
        last_seen_at=now,
        engine="haproxy",
        version="0.1.0",
        generation=7,
        open_connections=611,
        spool_waiting_bytes=12_345,
        spool_is_writable=False,
        clock_offset_ms=-2001,
        log_lines_dropped=9,
        records_refused=4321,
    )
    make_edge("fra-1", last_seen_at=now - timedelta(minutes=1), clock_offset_ms=2000)
    make_edge("new-1")
    make_edge("old-1", revoked_at=now)

    page = staff_client.get(reverse("admin:metering_edge_changelist")).content.decode()

    assert "12,345, NOT WRITABLE" in page
    assert "-2,001 DIFFERS" in page
    assert "+2,000</td>" in page
    words = (
        "haproxy",
        "611",
        "4321",
        "speaks",
        "silent",
        "never heard",
        "credential revoked",
    )
    assert [word for word in words if word not in page] == []


def test_the_digest_of_a_credential_is_not_shown(staff_client):
    edge = make_edge()

    page = staff_client.get(reverse("admin:metering_edge_change", args=[edge.pk]))

    assert edge.digest not in page.content.decode()


def test_usage_of_services_that_the_portal_does_not_know_can_be_listed(
    staff_client, shop
):
    take(make_edge(), record(1, service=shop.pk), record(2, service="nobodys"))
    address = reverse("admin:metering_connectionusage_changelist")

    listed = {
        kind: [
            row.service
            for row in staff_client.get(address, {"service_is": kind})
            .context["cl"]
            .result_list
        ]
        for kind in ("known", "unknown")
    }

    assert listed == {"known": [shop.pk], "unknown": ["nobodys"]}


def test_connections_from_before_their_service_was_made_can_be_listed(
    staff_client, shop
):
    made = shop.created_at
    before = record(1, service=shop.pk, started_at=made - timedelta(seconds=1))
    at_once = record(2, service=shop.pk, started_at=made)
    nobodys = record(3, service="nobodys", started_at=made - timedelta(days=1))
    take(make_edge(), before, at_once, nobodys)

    page = staff_client.get(
        reverse("admin:metering_connectionusage_changelist"), {"service_is": "early"}
    )

    listed = [row.connection_id for row in page.context["cl"].result_list]
    assert listed == [before.id]
    assert "From before it was made" in page.content.decode()


def test_ordinary_http_from_before_its_service_was_made_can_be_listed(
    staff_client, shop
):
    hours = ["2026-11-22T10:00:00Z", "2026-11-22T11:00:00Z", "2026-11-22T12:00:00Z"]
    Service.objects.filter(pk=shop.pk).update(created_at=NOW - timedelta(minutes=30))
    take(
        make_edge(),
        *(delivery(service=shop.pk, hour=hour) for hour in hours),
        delivery(service="nobodys", hour=hours[0]),
    )

    page = staff_client.get(
        reverse("admin:metering_deliveryusage_changelist"), {"service_is": "early"}
    )

    listed = [(row.service, row.hour.hour) for row in page.context["cl"].result_list]
    assert listed == [(shop.pk, 10)]


def test_staff_resolve_a_conflict_with_a_reason(staff_client, conflict, shop):
    asked = staff_client.get(resolve_page(conflict))
    done = staff_client.post(
        resolve_page(conflict), {"keep": "theirs", "reason": "The edge was right."}
    )

    conflict.refresh_from_db()
    event = AuditEvent.objects.get(action=Event.USAGE_DISPUTE_RESOLVED)
    assert "The report goes beyond the final one." in asked.content.decode()
    assert done.status_code == 302
    assert (conflict.resolution, conflict.resolved_by) == ("theirs", "Ada")
    assert kept()[0][4] == 70
    assert (event.account_id, event.interface) == (shop.account_id, "admin")


@pytest.mark.parametrize(
    "sent", [{}, {"keep": "ours"}, {"keep": "ours", "reason": " "}]
)
def test_without_a_reason_or_a_choice_nothing_is_resolved(staff_client, conflict, sent):
    answer = staff_client.post(resolve_page(conflict), sent)

    conflict.refresh_from_db()
    assert answer.status_code == 400
    assert conflict.is_open


def test_a_conflict_resolved_by_somebody_else_is_said_to_be(staff_client, conflict):
    sent = {"keep": "ours", "reason": "First."}
    staff_client.post(resolve_page(conflict), sent)

    answer = staff_client.post(resolve_page(conflict), sent)

    assert answer.status_code == 400
    assert "Ada has resolved this conflict already." in answer.content.decode()


def test_a_member_cannot_open_the_page_of_a_conflict(conflict):
    client = Client()
    client.force_login(UserFactory.create(name="Una"))

    answer = client.post(resolve_page(conflict), {"keep": "ours", "reason": "Mine."})

    conflict.refresh_from_db()
    assert (answer.status_code, answer.headers["Location"][:13]) == (
        302,
        "/admin/login/",
    )
    assert conflict.is_open
