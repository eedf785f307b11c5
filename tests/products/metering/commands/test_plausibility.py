"""Usage that an edge cannot have seen is quarantined; the rest of its report counts."""

from datetime import timedelta

import pytest

from products.deploy.commands import activate
from products.edge.contract import ROUTES_PATH
from products.metering.commands import (
    ingest,
    issue_credential,
    plausibility,
    resolve_dispute,
)
from products.metering.models import (
    CarriedService,
    ConnectionUsage,
    DeliveryUsage,
    Edge,
    UsageDispute,
)
from tests.factories import NOW
from tests.products.metering.reports import (
    SECOND_US,
    delivery,
    make_edge,
    record,
    report_of,
    take,
)

LINK_BYTES = 10_000 * 1_000_000 // 8  # per second


@pytest.fixture(autouse=True)
def _rules(settings, monkeypatch):
    settings.USAGE_PLAUSIBILITY = True
    monkeypatch.setattr(plausibility, "_SAVED", {})


@pytest.fixture
def edge(db) -> Edge:
    CarriedService.objects.create(edge="edge-1", service="service-1", since=NOW)
    return make_edge()


def reasons() -> list[str]:
    return list(UsageDispute.objects.order_by("pk").values_list("reason", flat=True))


@pytest.mark.parametrize(
    "fields, reason",
    [
        ({"started_at": NOW - timedelta(hours=24, seconds=1)}, "before_edge"),
        ({"service": "service-2"}, "not_carried"),
        ({"bytes_to_client": 92 * LINK_BYTES}, "too_many_bytes"),
    ],
)
def test_an_implausible_connection_is_kept_and_the_rest_counts(edge, fields, reason):
    answer = take(edge, record(1, **fields), record(2))

    assert (answer.accepted, len(answer.conflicts)) == (1, 1)
    assert reasons() == [reason]
    assert ConnectionUsage.objects.count() == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"started_at": NOW - timedelta(hours=24), "duration_us": 86_400 * SECOND_US},
        {"bytes_from_client": 0, "bytes_to_client": 91 * LINK_BYTES},
        {"duration_us": 0, "bytes_from_client": 0, "bytes_to_client": LINK_BYTES},
    ],
)
def test_what_the_rules_allow_counts(edge, fields):
    assert take(edge, record(**fields)).accepted == 1


@pytest.mark.parametrize(
    "fields, reason",
    [
        ({"hour": "2026-11-20T00:00:00Z"}, "before_edge"),
        ({"service": "service-2"}, "not_carried"),
        ({"bytes_to_client": 3602 * LINK_BYTES}, "too_many_bytes"),
    ],
)
def test_implausible_delivery_is_kept_and_the_rest_counts(edge, fields, reason):
    answer = take(edge, delivery(**fields), record())

    assert (answer.accepted, len(answer.conflicts)) == (1, 1)
    assert reasons() == [reason]
    assert not DeliveryUsage.objects.exists()


def test_a_new_credential_does_not_make_an_edge_younger(edge, ada):
    later = NOW + timedelta(days=10)
    issued = issue_credential(ada, name="edge-1", now=later).edge

    answer = take(issued, record(started_at=NOW, duration_us=60), now=later)

    assert answer.accepted == 1


def test_another_edges_service_is_not_carried(edge):
    other = make_edge("edge-2")

    ingest(
        other, report=report_of(record(edge="edge-2"), edge="edge-2"), received_at=NOW
    )

    assert reasons() == ["not_carried"]


def test_the_same_report_again_is_quarantined_once(edge):
    for _ in range(2):
        take(edge, record(service="service-2"))

    assert reasons() == ["not_carried"]


def test_staff_can_let_a_quarantined_record_count(edge, ada):
    take(edge, record(service="service-2"))

    resolve_dispute(
        ada,
        dispute=UsageDispute.objects.get(),
        keep="reported",
        reason="Table lost",
        now=NOW,
    )

    assert ConnectionUsage.objects.get().service == "service-2"


def test_without_the_rules_everything_counts(edge, settings):
    settings.USAGE_PLAUSIBILITY = False

    assert take(edge, record(service="service-2")).accepted == 1


def test_an_edge_carries_the_services_of_the_tables_that_it_is_given(
    client, ada, eve, draft
):
    secret = issue_credential(ada, name="edge-1", now=NOW).secret
    activate(eve, version=draft, now=NOW)

    for etag in ("", "unknown"):
        client.get(
            f"/{ROUTES_PATH.removeprefix('/')}",
            HTTP_AUTHORIZATION=f"Bearer {secret}",
            HTTP_IF_NONE_MATCH=etag,
        )

    rows = CarriedService.objects.values_list("edge", "service")
    assert list(rows) == [("edge-1", draft.service_id)]
