"""The status of an edge, and the time up to which its usage is complete."""

import json
from datetime import datetime, timedelta

import pytest
import time_machine
from django.test import Client

from accounts.actor import Actor
from accounts.tokens import digest
from products.metering.commands import declare_restored
from products.metering.models import Edge
from tests.factories import NOW
from tests.products.metering.reports import record, take

SECRET = "an edge's credential"


@pytest.fixture
def edge(db) -> Edge:
    return Edge.objects.create(name="edge-1", digest=digest(SECRET), created_at=NOW)


def request_table(edge: Edge, at: datetime, status: str) -> Edge:
    """Request the table at a time, and return the edge as it is saved afterwards."""
    headers = {"Authorization": f"Bearer {SECRET}", "X-Edge-Status": status}
    with time_machine.travel(at, tick=False):
        assert Client().get("/api/edge/v1/routes", headers=headers).status_code == 200
    edge.refresh_from_db()
    return edge


STATUS = {
    "engine": "embedded",
    "version": "0.1.0",
    "revision": 7,
    "open_connections": 3,
    "rejected_connections": 5,
    "unsent_bytes": 0,
    "log_lines_dropped": 2,
    "quarantined_records": 1,
    "at": NOW.timestamp() + 3,
    "complete_to": NOW.timestamp() - 1,
}


def test_the_status_of_an_edge_is_saved_when_it_requests_the_table(edge):
    request_table(edge, NOW, json.dumps(STATUS))

    assert (edge.engine, edge.version, edge.revision) == ("embedded", "0.1.0", 7)
    assert (edge.open_connections, edge.log_lines_dropped) == (3, 2)
    assert edge.rejected_connections == 5
    assert (edge.last_seen_at, edge.quarantined_records) == (NOW, 1)
    assert (edge.clock_offset_ms, edge.clock_differs) == (3000, True)


def complete_to(edge: Edge, now: datetime, **changes: object) -> datetime | None:
    return request_table(edge, now, json.dumps(STATUS | changes)).reported_at


def test_usage_is_complete_to_when_the_store_was_read_by_the_earlier_clock(edge):
    later, latest = (NOW + timedelta(seconds=seconds) for seconds in (5, 10))

    # The first clock is three seconds ahead, the second right, the third seven behind.
    found = [
        complete_to(edge, NOW),
        complete_to(edge, later, at=later.timestamp(), complete_to=NOW.timestamp()),
        complete_to(
            edge,
            latest,
            at=(latest - timedelta(seconds=7)).timestamp(),
            complete_to=(latest - timedelta(seconds=8)).timestamp(),
        ),
    ]

    assert found == [NOW - timedelta(seconds=4), NOW, NOW + timedelta(seconds=2)]


@pytest.mark.parametrize(
    "changes",
    [{"complete_to": 0}, {"at": 0}, {"complete_to": "x"}],
)
def test_an_edge_without_complete_readings_completes_nothing(edge, changes):
    assert complete_to(edge, NOW, **changes) is None


def test_complete_to_never_moves_back(edge):
    complete_to(edge, NOW)

    behind = complete_to(
        edge, NOW + timedelta(minutes=1), complete_to=NOW.timestamp() - 3600
    )

    assert behind == NOW - timedelta(seconds=4)


def test_an_edge_that_does_not_know_of_a_restore_completes_nothing(edge):
    before = take(edge, record()).ingest_epoch
    Edge.objects.update(reported_at=None)
    after = declare_restored(Actor.system("restored"), now=NOW)

    found = [
        complete_to(edge, NOW, ingest_epoch=before),
        complete_to(edge, NOW + timedelta(seconds=5), ingest_epoch=after),
    ]

    assert found == [None, NOW - timedelta(seconds=1)]


def test_frequent_reports_do_not_suppress_the_status(edge):
    take(edge, record(), now=NOW - timedelta(seconds=1))

    assert request_table(edge, NOW, json.dumps(STATUS)).open_connections == 3


def test_the_status_is_written_at_most_every_five_seconds(edge):
    counts = [
        request_table(
            edge,
            NOW + timedelta(seconds=seconds),
            json.dumps(STATUS | {"open_connections": seconds}),
        ).open_connections
        for seconds in (1, 5, 6)
    ]

    assert counts == [1, 1, 6]


@pytest.mark.parametrize(
    "status",
    [
        "",
        "{",
        "[]",
        "null",
        '{"open_connections": -1}',
    ],
)
def test_an_unreadable_status_only_updates_the_time_of_contact(edge, status):
    request_table(edge, NOW, status)

    assert edge.last_seen_at == NOW
    assert (edge.engine, edge.open_connections, edge.revision) == ("", 0, 0)
    assert edge.clock_offset_ms is None
