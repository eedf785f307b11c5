"""Edges, usage and disputes in the admin: read-only, except that staff resolve disputes."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.audit.models import AuditEvent
from accounts.audit.vocabulary import Event
from products.metering.commands import rebuild_usage
from products.metering.models import ConnectionUsage, UsageDispute, UsagePeriod
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

KINDS = ("edge", "connectionusage", "deliveryusage", "usagedispute", "usageperiod")


@pytest.fixture
def dispute(db, shop) -> UsageDispute:
    edge = make_edge()
    take(edge, record(service=shop.pk, duration_us=50, final=True), delivery())
    take(edge, record(service=shop.pk, duration_us=70))
    rebuild_usage(now=NOW)
    return UsageDispute.objects.get()


def resolve_page(dispute: UsageDispute) -> str:
    return reverse("admin:metering_usagedispute_resolve", args=[dispute.pk])


@pytest.mark.parametrize("kind", KINDS)
def test_staff_read_every_list_and_row(staff, dispute, kind):
    listed = staff.get(reverse(f"admin:metering_{kind}_changelist"))
    row = listed.context["cl"].result_list[0]
    shown = staff.get(reverse(f"admin:metering_{kind}_change", args=[row.pk]))
    added = staff.get(reverse(f"admin:metering_{kind}_add"))

    assert (listed.status_code, shown.status_code, added.status_code) == (200, 200, 403)


def test_the_title_of_a_period_has_the_name_of_its_service(staff, dispute, shop):
    period = UsagePeriod.objects.get(service=shop.pk)

    page = staff.get(reverse("admin:metering_usageperiod_change", args=[period.pk]))

    assert page.context["subtitle"] == f"shop in {period.month}"


@pytest.mark.parametrize("kind", KINDS)
def test_member_cannot_read_any_list(dispute, kind, shop):
    client = Client()
    client.force_login(UserFactory.create(name="Una"))

    answer = client.get(reverse(f"admin:metering_{kind}_changelist"))

    assert (answer.status_code, answer.headers["Location"][:13]) == (
        302,
        "/admin/login/",
    )


def test_list_of_edges_shows_their_status(staff):
    now = timezone.now()
    make_edge(
        "lon-1",
        last_seen_at=now,
        engine="haproxy",
        version="0.1.0",
        revision=7,
        open_connections=611,
        unsent_bytes=12_345,
        store_is_writable=False,
        clock_offset_ms=-2001,
        log_lines_dropped=9,
        quarantined_records=4321,
    )
    make_edge("fra-1", last_seen_at=now - timedelta(minutes=1), clock_offset_ms=2000)
    make_edge("new-1")
    make_edge("old-1", revoked_at=now)

    page = staff.get(reverse("admin:metering_edge_changelist")).content.decode()

    assert "12.3 kB, read-only" in page
    assert "-2,001 ms, out of sync" in page
    assert "+2,000 ms</td>" in page
    words = (
        "haproxy",
        "611",
        "4,321",
        "online",
        "offline",
        "never connected",
        "credential revoked",
    )
    assert [word for word in words if word not in page] == []


def test_digest_of_a_credential_is_not_shown(staff):
    edge = make_edge()

    page = staff.get(reverse("admin:metering_edge_change", args=[edge.pk]))

    assert edge.digest not in page.content.decode()


def test_usage_of_unknown_services_can_be_listed(staff, shop):
    take(make_edge(), record(1, service=shop.pk), record(2, service="unknown"))
    address = reverse("admin:metering_connectionusage_changelist")

    listed = {
        kind: [
            row.service
            for row in staff.get(address, {"service_is": kind})
            .context["cl"]
            .result_list
        ]
        for kind in ("known", "unknown")
    }

    assert listed == {"known": [shop.pk], "unknown": ["unknown"]}


def test_connections_before_the_creation_of_their_service_can_be_listed(staff, shop):
    made = shop.created_at
    before = record(1, service=shop.pk, started_at=made - timedelta(seconds=1))
    at_creation = record(2, service=shop.pk, started_at=made)
    unknown = record(3, service="unknown", started_at=made - timedelta(days=1))
    take(make_edge(), before, at_creation, unknown)

    page = staff.get(
        reverse("admin:metering_connectionusage_changelist"), {"service_is": "early"}
    )

    listed = [row.connection_id for row in page.context["cl"].result_list]
    assert listed == [before.id]
    assert "Before the service was created" in page.content.decode()


def test_ordinary_http_before_the_creation_of_its_service_can_be_listed(staff, shop):
    hours = ["2026-11-22T10:00:00Z", "2026-11-22T11:00:00Z", "2026-11-22T12:00:00Z"]
    Service.objects.filter(pk=shop.pk).update(created_at=NOW - timedelta(minutes=30))
    take(
        make_edge(),
        *(delivery(service=shop.pk, hour=hour) for hour in hours),
        delivery(service="unknown", hour=hours[0]),
    )

    page = staff.get(
        reverse("admin:metering_deliveryusage_changelist"), {"service_is": "early"}
    )

    listed = [(row.service, row.hour.hour) for row in page.context["cl"].result_list]
    assert listed == [(shop.pk, 10)]


def test_staff_resolve_a_dispute_with_a_reason(staff, dispute, shop):
    asked = staff.get(resolve_page(dispute))
    done = staff.post(
        resolve_page(dispute), {"keep": "reported", "reason": "The edge was right."}
    )

    dispute.refresh_from_db()
    event = AuditEvent.objects.get(action=Event.USAGE_DISPUTE_RESOLVED)
    assert "The report is higher than the final one." in asked.content.decode()
    assert done.status_code == 303
    assert (dispute.resolution, dispute.resolved_by) == (
        "reported",
        "Ada (Tollgate staff)",
    )
    assert kept()[0][4] == 70
    assert (event.account_id, event.interface) == (shop.account_id, "admin")


def test_a_dispute_shows_what_differs_first_and_everything_in_units(staff, dispute):
    context = staff.get(resolve_page(dispute)).context

    assert [
        (value.label, value.recorded, value.reported) for value in context["differing"]
    ] == [
        ("Duration", "0 s (0.000050 s)", "0 s (0.000070 s)"),
        ("Final report", "yes", "no"),
    ]
    assert "Service" in [value.label for value in context["equal"]]


@pytest.mark.parametrize("kind", KINDS)
def test_no_list_shows_stored_units(staff, dispute, kind):
    page = staff.get(reverse(f"admin:metering_{kind}_changelist"))
    row = page.context["cl"].result_list[0]
    detail = staff.get(reverse(f"admin:metering_{kind}_change", args=[row.pk]))

    both = (page.content + detail.content).decode().lower()

    assert not re.findall(r"_us\b| us:|duration us|started us", both)


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"keep": "recorded"},
        {"keep": "recorded", "reason": " "},
        {"keep": "recorded", "reason": "x" * 501},
    ],
)
def test_without_a_reason_or_a_choice_nothing_is_resolved(staff, dispute, sent):
    answer = staff.post(resolve_page(dispute), sent)

    dispute.refresh_from_db()
    assert (answer.status_code, list(answer.context["form"].errors)[-1:]) == (
        400,
        ["reason"],
    )
    assert dispute.is_open


def test_dispute_that_is_already_resolved_says_so(staff, dispute):
    sent = {"keep": "recorded", "reason": "First."}
    staff.post(resolve_page(dispute), sent)

    answer = staff.post(resolve_page(dispute), sent)

    assert answer.status_code == 400
    assert (
        "Ada (Tollgate staff) has already resolved this dispute."
        in answer.content.decode()
    )


def test_member_cannot_open_the_page_of_a_dispute(dispute):
    client = Client()
    client.force_login(UserFactory.create(name="Una"))

    answer = client.post(resolve_page(dispute), {"keep": "recorded", "reason": "Mine."})

    dispute.refresh_from_db()
    assert (answer.status_code, answer.headers["Location"][:13]) == (
        303,
        "/admin/login/",
    )
    assert dispute.is_open


def test_connections_are_searched_by_whole_values(staff, shop, dispute):
    usage = ConnectionUsage.objects.get()
    page = reverse("admin:metering_connectionusage_changelist")

    found = {
        words: staff.get(page, {"q": words}).context["cl"].queryset
        for words in (
            usage.connection_id,
            shop.pk,
            f"{shop.pk} {usage.month}",
            f"{shop.pk} 2001-01",
            shop.pk.swapcase(),
        )
    }

    # An index has the values as they are, not in capitals or as a pattern.
    query = str(found[shop.pk].query)
    assert [len(rows) for rows in found.values()] == [1, 1, 1, 0, 0]
    assert "UPPER" not in query
    assert "LIKE" not in query
