"""Reports and decisions at the same moment: nothing is lost, counted twice, or in dispute."""

from datetime import UTC, datetime, timedelta

import pytest

from accounts.audit.models import AuditEvent
from accounts.audit.vocabulary import Event
from products.metering.commands import rebuild_moved, resolve_conflict
from products.metering.models import IngestEpoch, UsageConflict, UsagePeriod
from products.metering.queries import current_epoch
from tests.products.metering.reports import (
    delivery,
    kept,
    make_edge,
    outcome,
    record,
    take,
)
from tests.together import amid, together

# October ends, takes reports for 35 days more, and an hour later it is settled.
OCTOBER_ENDS = datetime(2026, 11, 1, tzinfo=UTC)
OCTOBER_SETTLES = OCTOBER_ENDS + timedelta(days=35, hours=1)
LAST_HOUR = {"hour": "2026-10-31T23:00:00Z"}


@pytest.mark.django_db(transaction=True)
def test_the_same_records_from_all_sides_at_once_count_once():
    edge = make_edge()
    records = [
        record(number, duration_us=100 + step, final=step == 2)
        for step in range(3)
        for number in range(100)
    ]
    orders = [records, records[::-1], records[150:] + records[:150], records[::7]]

    answers = together(
        *(lambda order=order: take(edge, *order, delivery()) for order in orders)
    )

    outcomes = [outcome(answer) for answer in answers]
    assert [disputed for _, _, disputed in outcomes] == [[], [], [], []]
    assert [counted + same for counted, same, _ in outcomes] == [
        len(order) + 1 for order in orders
    ]
    assert {row[4:] for row in kept()} == {(102, 1200, 5400, True)}
    assert len(kept()) == 100
    assert {answer.ingest_epoch for answer in answers} == {current_epoch()}
    assert IngestEpoch.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_contradiction_found_twice_at_once_is_kept_once():
    edge = make_edge()
    take(edge, record(duration_us=50, final=True))
    theirs = record(duration_us=70)

    answers = together(lambda: take(edge, theirs), lambda: take(edge, theirs))

    assert [outcome(answer) for answer in answers] == [(0, 0, [theirs.id])] * 2
    assert UsageConflict.objects.count() == 1
    assert AuditEvent.objects.filter(action=Event.USAGE_CONFLICT_FOUND).count() == 1


@pytest.mark.django_db(transaction=True)
def test_what_is_decided_while_a_sweep_settles_the_month_counts_with_the_next(ada):
    edge = make_edge()
    take(edge, delivery(**LAST_HOUR), now=OCTOBER_ENDS)
    take(edge, delivery(**LAST_HOUR, requests=4), now=OCTOBER_SETTLES)
    conflict = UsageConflict.objects.get()

    def decide() -> UsageConflict:
        return resolve_conflict(
            ada, conflict=conflict, keep="theirs", reason="Yes.", now=OCTOBER_SETTLES
        )

    # The digest is the last that a sweep reads before it writes the period.
    with amid('"metering_deliveryusage"."edge"', decide) as decided:
        rebuild_moved(now=OCTOBER_SETTLES)
    rebuild_moved(now=OCTOBER_SETTLES + timedelta(minutes=10))

    period = UsagePeriod.objects.get(month="2026-10")
    assert decided == [conflict]
    assert (period.settled, period.requests) == (True, 4)
