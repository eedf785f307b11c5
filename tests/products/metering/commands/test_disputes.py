"""Records that cannot be merged: found, saved, noted once per account, and resolved by staff."""

from datetime import UTC, datetime, timedelta

import pytest

from accounts.audit.models import AuditEvent
from accounts.audit.vocabulary import Event
from accounts.errors import Conflict, Forbidden, Invalid
from products.metering.commands import resolve_dispute
from products.metering.commands.merge_sql import ConnectionValues
from products.metering.models import (
    ConnectionUsage,
    DeliveryUsage,
    Edge,
    UsageDispute,
)
from tests.factories import NOW
from tests.products.metering.reports import (
    MINUTE_US,
    delivery,
    kept,
    make_edge,
    outcome,
    record,
    take,
)

REASON = UsageDispute.Reason
START = NOW - timedelta(seconds=90)
OCTOBER = {"month": "2026-10", "started_at": datetime(2026, 10, 31, 12, tzinfo=UTC)}
SAME_IN_NOVEMBER = OCTOBER | {"month": "2026-11"}
SMALL = {"duration_us": 50, "bytes_from_client": 5, "bytes_to_client": 5}
LARGE = {"duration_us": 70, "bytes_from_client": 7, "bytes_to_client": 7}
DECEMBER = datetime(2026, 12, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
DAY_US = 24 * 60 * MINUTE_US


@pytest.fixture
def edge(db) -> Edge:
    return make_edge()


def notes() -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(action=Event.USAGE_DISPUTE_FOUND))


@pytest.mark.parametrize(
    "first,second,reason",
    [
        ({}, {"service": "service-2"}, REASON.SERVICE),
        ({}, {"started_at": START + timedelta(microseconds=1)}, REASON.START),
        (SMALL | {"final": True}, LARGE, REASON.BEYOND_FINAL),
        (SMALL | {"final": True}, SMALL | {"bytes_to_client": 6}, REASON.BEYOND_FINAL),
        (SMALL | {"final": True}, LARGE | {"final": True}, REASON.FINALS_DIFFER),
        (LARGE | {"final": True}, SMALL | {"final": True}, REASON.FINALS_DIFFER),
        (LARGE, SMALL | {"final": True}, REASON.FINAL_BEHIND),
        (
            SMALL | OCTOBER | {"final": True},
            SAME_IN_NOVEMBER | {"duration_us": 51},
            REASON.BEYOND_FINAL,
        ),
        (
            LARGE | SAME_IN_NOVEMBER,
            OCTOBER | {"duration_us": 69, "final": True},
            REASON.FINAL_BEHIND,
        ),
        (OCTOBER, SAME_IN_NOVEMBER | {"service": "service-2"}, REASON.SERVICE),
    ],
)
def test_contradiction_is_saved_and_the_rest_of_the_batch_counts(
    edge, first, second, reason
):
    take(edge, record(**first))
    before = kept()
    reported = record(**second)

    answer = take(edge, reported, record(2), delivery())

    row = UsageDispute.objects.get()
    assert (answer.accepted, answer.unchanged) == (2, 0)
    assert [(each.id, each.reason) for each in answer.conflicts] == [
        (reported.id, reason.label)
    ]
    assert kept()[:1] == before
    assert (row.kind, row.record_id, row.month) == (
        "connection",
        reported.id,
        reported.month,
    )
    assert (row.reason, row.edge, row.is_open) == (reason, "edge-1", True)
    assert row.recorded is not None
    assert row.recorded["duration_us"] == record(**first).duration_us
    assert row.reported["duration_us"] == reported.duration_us


def test_contradiction_within_one_batch_is_found(edge):
    answer = take(edge, record(**SMALL, final=True), record(**LARGE))

    assert outcome(answer) == (1, 0, [record().id])


def test_same_dispute_again_is_answered_again_but_saved_and_noted_once(edge):
    take(edge, record(**SMALL, final=True))
    take(edge, record(**LARGE))
    later = NOW + timedelta(minutes=1)

    answer = take(edge, record(**LARGE | {"duration_us": 80}), now=later)

    row = UsageDispute.objects.get()
    assert outcome(answer) == (0, 0, [record().id])
    assert row.reported["duration_us"] == 80
    assert (row.found_at, row.last_found_at) == (NOW, later)
    assert len(notes()) == 1


def test_batch_is_noted_once_per_account(edge, shop):
    numbers = (1, 2, 3)
    services = dict(zip(numbers, (shop.pk, shop.pk, "unknown"), strict=True))
    take(edge, *(record(n, **SMALL, final=True, service=services[n]) for n in numbers))

    take(edge, *(record(n, **LARGE, service=services[n]) for n in numbers))

    events = {note.account_id: note for note in notes()}
    assert set(events) == {shop.account_id, "platform"}
    assert events[shop.account_id].service_id == shop.pk
    assert events[shop.account_id].actor_id == "ingest-usage"
    assert events[shop.account_id].interface == "edge"
    assert sorted(UsageDispute.objects.values_list("service", "account_id")) == sorted(
        [(shop.pk, shop.account_id)] * 2 + [("unknown", "")]
    )


def disputed(edge, first, second) -> UsageDispute:
    take(edge, record(**first))
    take(edge, record(**second))
    return UsageDispute.objects.get()


def test_staff_can_keep_the_recorded_values(edge, shop, ada):
    dispute = disputed(
        edge,
        SMALL | {"final": True, "service": shop.pk},
        LARGE | {"service": shop.pk},
    )
    before = kept()

    resolved = resolve_dispute(
        ada, dispute=dispute, keep="recorded", reason=" Clock. ", now=NOW
    )

    again = take(edge, record(**LARGE, service=shop.pk))
    event = AuditEvent.objects.get(action=Event.USAGE_DISPUTE_RESOLVED)
    assert (resolved.resolved_by, resolved.resolution) == (
        "Ada (Tollgate staff)",
        "recorded",
    )
    assert (resolved.resolved_at, resolved.resolution_reason) == (NOW, "Clock.")
    assert kept() == before
    assert outcome(again) == (0, 1, [])
    assert (event.account_id, event.actor_id) == (shop.account_id, ada.id)


def test_report_that_exceeds_a_resolved_dispute_is_a_new_one(edge, ada):
    dispute = disputed(edge, SMALL | {"final": True}, LARGE)
    resolve_dispute(ada, dispute=dispute, keep="recorded", reason="Clock.", now=NOW)

    answer = take(edge, record(**LARGE | {"bytes_to_client": 8}))

    assert outcome(answer) == (0, 0, [record().id])
    assert UsageDispute.objects.count() == 2


@pytest.mark.parametrize(
    "first,second",
    [
        (SMALL | {"final": True}, LARGE | {"final": True}),
        (LARGE | {"final": True}, SMALL | {"final": True}),
        (SMALL | {"final": True}, LARGE),
        (LARGE, SMALL | {"final": True}),
        (SMALL, LARGE | {"service": "service-2"}),
        (SMALL, LARGE | {"started_at": NOW}),
    ],
)
def test_staff_can_use_the_reported_values(edge, ada, first, second):
    dispute = disputed(edge, first, second)

    resolve_dispute(ada, dispute=dispute, keep="reported", reason="Right.", now=NOW)

    again = take(edge, record(**second))
    assert [row[2:] for row in kept()] == [ConnectionValues(**dispute.reported)[2:]]
    assert outcome(again) == (0, 1, [])


def test_reported_values_adjust_the_other_months(edge, ada):
    october = OCTOBER | {"duration_us": 100, "final": True}
    november = SAME_IN_NOVEMBER | {"duration_us": 200, "final": True}
    dispute = disputed(edge, october, november)

    resolve_dispute(ada, dispute=dispute, keep="reported", reason="Right.", now=NOW)

    assert [(row[1], row[4], row[7]) for row in kept()] == [
        ("2026-10", 100, False),
        ("2026-11", 200, True),
    ]


@pytest.mark.parametrize(
    "keep,reason,field",
    [
        ("recorded", "  ", "reason"),
        ("recorded", "x" * 501, "reason"),
        ("mine", "Why", "keep"),
    ],
)
def test_resolution_needs_a_reason_and_a_choice(edge, ada, keep, reason, field):
    dispute = disputed(edge, SMALL | {"final": True}, LARGE)

    with pytest.raises(Invalid) as refusal:
        resolve_dispute(ada, dispute=dispute, keep=keep, reason=reason, now=NOW)

    dispute.refresh_from_db()
    assert refusal.value.field == field
    assert dispute.is_open


def test_dispute_is_resolved_once(edge, ada):
    dispute = disputed(edge, SMALL | {"final": True}, LARGE)
    resolve_dispute(ada, dispute=dispute, keep="recorded", reason="Clock.", now=NOW)

    with pytest.raises(
        Conflict, match=r"Ada \(Tollgate staff\) has already resolved this dispute"
    ):
        resolve_dispute(ada, dispute=dispute, keep="reported", reason="No.", now=NOW)

    assert kept()[0][4] == 50


def test_superuser_of_the_account_cannot_resolve(edge, shop, sam):
    dispute = disputed(
        edge,
        SMALL | {"final": True, "service": shop.pk},
        LARGE | {"service": shop.pk},
    )

    with pytest.raises(Forbidden):
        resolve_dispute(sam, dispute=dispute, keep="recorded", reason="Mine.", now=NOW)

    dispute.refresh_from_db()
    assert dispute.is_open


@pytest.mark.parametrize(
    "received_at,is_late",
    [
        (datetime(2026, 12, 6, tzinfo=UTC), False),
        (datetime(2026, 12, 6, 0, 0, 0, 1, tzinfo=UTC), True),
    ],
)
def test_reports_count_until_35_days_after_the_end_of_their_month(
    edge, received_at, is_late
):
    # Of a connection that had been open for years.
    start = datetime(2024, 2, 1, tzinfo=UTC)
    lasted = datetime(2026, 10, 31, tzinfo=UTC) - start
    old = {"started_at": start, "duration_us": lasted // MICROSECOND}

    answer = take(
        edge,
        record(**old, month="2026-10"),
        delivery(hour="2026-10-31T23:00:00Z"),
        now=received_at,
    )

    assert (answer.accepted, len(answer.conflicts)) == ((0, 2) if is_late else (2, 0))
    assert list(
        UsageDispute.objects.order_by("kind").values_list("kind", "month", "reason")
    ) == ([(k, "2026-10", "late") for k in ("connection", "delivery")] * is_late)


def test_month_ends_in_the_zone_of_the_account(edge, shop):
    shop.account.billing_zone = "America/New_York"  # four hours behind at October's end
    shop.account.save()
    old = OCTOBER | {"service": shop.pk}
    last = datetime(2026, 12, 6, 4, tzinfo=UTC)

    in_time = take(edge, record(**old), now=last)
    late = take(edge, record(2, **old), now=last + timedelta(microseconds=1))

    assert (outcome(in_time)[0], outcome(late)[2]) == (1, [record(2).id])


def test_late_report_that_adds_nothing_is_not_disputed(edge):
    hour = {"hour": "2026-10-31T23:00:00Z"}
    take(edge, record(**OCTOBER), delivery(**hour))

    answer = take(
        edge, record(**OCTOBER), delivery(**hour), now=NOW + timedelta(days=40)
    )

    assert outcome(answer) == (0, 2, [])
    assert not UsageDispute.objects.exists()


@pytest.mark.parametrize(
    "billing_zone,month,started_at,reason",
    [
        # At 06:00 of 30 November December begins in 18 hours, and in Samoa in 29.
        ("UTC", "2026-12", DECEMBER - timedelta(days=1), None),
        ("Pacific/Pago_Pago", "2026-12", DECEMBER - timedelta(days=1), "future"),
        ("UTC", "2099-01", DECEMBER - timedelta(days=1), "future"),
        ("UTC", "2026-11", DECEMBER + timedelta(days=1), "future"),
        # October ended at midnight; a day is allowed for an old route table.
        ("UTC", "2026-10", datetime(2026, 11, 2, tzinfo=UTC), None),
        ("UTC", "2026-10", datetime(2026, 11, 2, 0, 0, 1, tzinfo=UTC), "before_start"),
        ("Asia/Tokyo", "2026-10", datetime(2026, 11, 1, 16, tzinfo=UTC), "before_start"),
        ("America/New_York", "2026-10", datetime(2026, 11, 2, 3, tzinfo=UTC), None),
        # A clock that is three months behind, and one that is a day behind at the start of November.
        ("UTC", "2026-11", datetime(2026, 8, 10, tzinfo=UTC), "after_end"),
        ("UTC", "2026-11", datetime(2026, 10, 31, tzinfo=UTC) - MICROSECOND, None),
        ("UTC", "2026-11", datetime(2026, 10, 31, tzinfo=UTC) - 2 * MICROSECOND, "after_end"),
        ("America/New_York", "2026-11", datetime(2026, 10, 31, 3, tzinfo=UTC), "after_end"),
        ("Asia/Tokyo", "2026-11", datetime(2026, 10, 30, 16, tzinfo=UTC), None),
    ],
)  # fmt: skip
def test_month_that_is_impossible_for_the_connection_is_disputed(
    edge, shop, billing_zone, month, started_at, reason
):
    shop.account.billing_zone = billing_zone
    shop.account.save()
    reported = record(
        service=shop.pk, month=month, started_at=started_at, duration_us=1
    )

    answer = take(edge, reported, record(2), now=DECEMBER - timedelta(hours=18))

    found = list(UsageDispute.objects.values_list("record_id", "month", "reason"))
    assert found == [(reported.id, month, reason)] * (reason is not None)
    assert outcome(answer) == (2 - len(found), 0, [reported.id] * len(found))


def test_connection_that_ends_in_the_future_is_disputed(edge):
    reported = record(duration_us=3 * DAY_US)

    answer = take(edge, reported)

    assert outcome(answer) == (0, 0, [reported.id])
    assert UsageDispute.objects.get().reason == "future"
    assert kept() == []


def test_hour_in_the_future_is_disputed(edge):
    tomorrow, later = "2026-11-23T12:00:00Z", "2026-11-23T13:00:00Z"

    answer = take(edge, delivery(hour=tomorrow), delivery(hour=later))

    row = UsageDispute.objects.get()
    assert (answer.accepted, len(answer.conflicts)) == (1, 1)
    assert (row.kind, row.month, row.reason) == ("delivery", "2026-11", "future")
    assert row.reported["hour"] == "2026-11-23T13:00:00+00:00"


def test_report_out_of_window_counts_if_staff_use_it(edge, ada):
    take(edge, record(month="2026-10"))
    dispute = UsageDispute.objects.get()

    resolve_dispute(ada, dispute=dispute, keep="reported", reason="Yes.", now=NOW)

    assert [(row[1], row[4]) for row in kept()] == [("2026-10", 90_000_000)]


def test_late_report_that_staff_use_keeps_the_larger_counters(edge, ada):
    at = {"hour": "2026-10-31T23:00:00Z"}
    take(
        edge,
        record(**OCTOBER, duration_us=60, bytes_to_client=1),
        delivery(**at, requests=3),
    )
    take(
        edge,
        record(**OCTOBER, duration_us=50, bytes_to_client=9),
        delivery(**at, requests=4),
        now=NOW + timedelta(days=40),
    )

    for dispute in UsageDispute.objects.all():
        resolve_dispute(ada, dispute=dispute, keep="reported", reason="Yes.", now=NOW)

    row, hours = ConnectionUsage.objects.get(), DeliveryUsage.objects.get()
    assert (row.duration_us, row.bytes_to_client) == (60, 9)
    assert (hours.requests, hours.bytes_to_client) == (4, 70_000)


def test_late_report_of_another_service_counts_as_it_is(edge, ada):
    take(edge, record(**OCTOBER, duration_us=60))
    late = record(**OCTOBER, duration_us=50, service="service-2")
    take(edge, late, now=NOW + timedelta(days=40))
    dispute = UsageDispute.objects.get()

    resolve_dispute(ada, dispute=dispute, keep="reported", reason="Yes.", now=NOW)

    assert [(row[2], row[4]) for row in kept()] == [("service-2", 50)]
