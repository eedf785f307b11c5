"""Reports that contradict each other are kept and shown, noted once, and decided by a person."""

from datetime import UTC, datetime, timedelta

import pytest

from accounts.audit.models import AuditEvent
from accounts.audit.vocabulary import Event
from accounts.errors import Conflict, Forbidden, Invalid
from products.metering.commands import resolve_conflict
from products.metering.facts import ConnectionFact
from products.metering.models import (
    Edge,
    UsageConflict,
)
from tests.factories import NOW
from tests.products.metering.reports import (
    delivery,
    kept,
    make_edge,
    outcome,
    record,
    take,
)

REASON = UsageConflict.Reason
START = NOW - timedelta(seconds=90)
OCTOBER = {"month": "2026-10", "started_at": datetime(2026, 10, 31, 12, tzinfo=UTC)}
SAME_IN_NOVEMBER = OCTOBER | {"month": "2026-11"}
SMALL = {"duration_us": 50, "bytes_from_client": 5, "bytes_to_client": 5}
LARGE = {"duration_us": 70, "bytes_from_client": 7, "bytes_to_client": 7}


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
def test_what_contradicts_is_kept_and_the_rest_of_the_batch_counts(
    edge, first, second, reason
):
    take(edge, record(**first))
    before = kept()
    theirs = record(**second)

    answer = take(edge, theirs, record(2), delivery())

    row = UsageConflict.objects.get()
    assert (answer.accepted, answer.unchanged) == (2, 0)
    assert [(c.id, c.reason) for c in answer.conflicts] == [(theirs.id, reason.label)]
    assert kept()[:1] == before
    assert (row.kind, row.record_id, row.month) == (
        "connection",
        theirs.id,
        theirs.month,
    )
    assert (row.reason, row.edge, row.is_open) == (reason, "edge-1", True)
    assert row.ours is not None
    assert row.ours["duration_us"] == record(**first).duration_us
    assert row.theirs["duration_us"] == theirs.duration_us


def test_a_contradiction_within_one_batch_is_found_too(edge):
    answer = take(edge, record(**SMALL, final=True), record(**LARGE))

    assert outcome(answer) == (1, 0, [record().id])


def test_the_same_conflict_again_is_told_again_but_kept_and_noted_once(edge):
    take(edge, record(**SMALL, final=True))
    take(edge, record(**LARGE))
    later = NOW + timedelta(minutes=1)

    answer = take(edge, record(**LARGE | {"duration_us": 80}), now=later)

    row = UsageConflict.objects.get()
    assert outcome(answer) == (0, 0, [record().id])
    assert row.theirs["duration_us"] == 80
    assert (row.found_at, row.last_found_at) == (NOW, later)
    assert len(notes()) == 1


def test_a_batch_leaves_one_note_for_each_account(edge, shop):
    numbers = (1, 2, 3)
    services = dict(zip(numbers, (shop.pk, shop.pk, "nobodys"), strict=True))
    take(edge, *(record(n, **SMALL, final=True, service=services[n]) for n in numbers))

    take(edge, *(record(n, **LARGE, service=services[n]) for n in numbers))

    told = {note.account_id: note for note in notes()}
    assert set(told) == {shop.account_id, "platform"}
    assert told[shop.account_id].service_id == shop.pk
    assert told[shop.account_id].actor_id == "ingest-usage"
    assert told[shop.account_id].interface == "edge"
    assert sorted(UsageConflict.objects.values_list("service", "account_id")) == sorted(
        [(shop.pk, shop.account_id)] * 2 + [("nobodys", "")]
    )


def disputed(edge, first, second) -> UsageConflict:
    take(edge, record(**first))
    take(edge, record(**second))
    return UsageConflict.objects.get()


def test_staff_can_let_what_was_counted_stand(edge, shop, ada):
    conflict = disputed(
        edge,
        SMALL | {"final": True, "service": shop.pk},
        LARGE | {"service": shop.pk},
    )
    before = kept()

    resolved = resolve_conflict(
        ada, conflict=conflict, keep="ours", reason=" Clock. ", now=NOW
    )

    again = take(edge, record(**LARGE, service=shop.pk))
    event = AuditEvent.objects.get(action=Event.USAGE_DISPUTE_RESOLVED)
    assert (resolved.resolved_by, resolved.resolution) == ("Ada", "ours")
    assert (resolved.resolved_at, resolved.resolution_reason) == (NOW, "Clock.")
    assert kept() == before
    assert outcome(again) == (0, 1, [])
    assert (event.account_id, event.actor_id) == (shop.account_id, ada.id)


def test_what_goes_beyond_a_settled_conflict_is_a_new_one(edge, ada):
    conflict = disputed(edge, SMALL | {"final": True}, LARGE)
    resolve_conflict(ada, conflict=conflict, keep="ours", reason="Clock.", now=NOW)

    answer = take(edge, record(**LARGE | {"bytes_to_client": 8}))

    assert outcome(answer) == (0, 0, [record().id])
    assert UsageConflict.objects.count() == 2


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
def test_staff_can_count_the_disputed_report_instead(edge, ada, first, second):
    conflict = disputed(edge, first, second)

    resolve_conflict(ada, conflict=conflict, keep="theirs", reason="Right.", now=NOW)

    again = take(edge, record(**second))
    assert [row[2:] for row in kept()] == [ConnectionFact(**conflict.theirs)[2:]]
    assert outcome(again) == (0, 1, [])


def test_counting_the_disputed_report_mends_the_other_months_too(edge, ada):
    october = OCTOBER | {"duration_us": 100, "final": True}
    november = SAME_IN_NOVEMBER | {"duration_us": 200, "final": True}
    conflict = disputed(edge, october, november)

    resolve_conflict(ada, conflict=conflict, keep="theirs", reason="Right.", now=NOW)

    assert [(row[1], row[4], row[7]) for row in kept()] == [
        ("2026-10", 100, False),
        ("2026-11", 200, True),
    ]


@pytest.mark.parametrize(
    "keep,reason,refusal", [("ours", "  ", "reason"), ("mine", "Why", "Keep")]
)
def test_a_resolution_needs_a_reason_and_a_choice(edge, ada, keep, reason, refusal):
    conflict = disputed(edge, SMALL | {"final": True}, LARGE)

    with pytest.raises(Invalid, match=refusal):
        resolve_conflict(ada, conflict=conflict, keep=keep, reason=reason, now=NOW)

    conflict.refresh_from_db()
    assert conflict.is_open


def test_a_conflict_is_resolved_once(edge, ada):
    conflict = disputed(edge, SMALL | {"final": True}, LARGE)
    resolve_conflict(ada, conflict=conflict, keep="ours", reason="Clock.", now=NOW)

    with pytest.raises(Conflict, match="Ada has resolved this conflict already"):
        resolve_conflict(ada, conflict=conflict, keep="theirs", reason="No.", now=NOW)

    assert kept()[0][4] == 50


def test_a_superuser_of_the_account_cannot_resolve(edge, shop, sam):
    conflict = disputed(
        edge,
        SMALL | {"final": True, "service": shop.pk},
        LARGE | {"service": shop.pk},
    )

    with pytest.raises(Forbidden):
        resolve_conflict(sam, conflict=conflict, keep="ours", reason="Mine.", now=NOW)

    conflict.refresh_from_db()
    assert conflict.is_open
