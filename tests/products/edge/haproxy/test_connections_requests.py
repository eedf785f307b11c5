"""Ordinary requests counted from two sources that each miss some, and never twice."""

import pytest
import time_machine

from products.edge.haproxy.connections import RequestTotals
from products.edge.haproxy.process import TableEntry
from products.edge.usage.meter import UsageMeter
from products.edge.usage.readings import read_values
from products.edge.usage.store import StoredUsage, UsageStore


class RequestMetering:
    """Request totals with their store."""

    def __init__(self, folder):
        self.folder = folder
        self.start()

    def start(self):
        """Start an agent, which continues from the notes of an earlier one."""
        self.store = UsageStore(self.folder, max_bytes=1 << 30)
        self.meter = UsageMeter(self.store)
        with StoredUsage(self.folder) as stored:
            self.requests = RequestTotals(
                self.meter, stored.notes(), is_replacement=self.store.is_replacement
            )

    def stop(self):
        """Stop the agent without a tick."""
        self.store.close()

    def count(self, workers):
        """Count, and write the readings."""
        self.requests.have_read(workers)
        self.meter.tick()

    @property
    def total(self):
        with StoredUsage(self.folder) as stored:
            return {
                one.service: (
                    one.requests, one.bytes_from_client, one.bytes_to_client,
                )
                for one in self._readings(stored)
            }  # fmt: skip

    def _readings(self, stored):
        return [read_values(row[1:]) for row in stored.unsent(0, 100)]


@pytest.fixture
def metering(tmp_path):
    """Return an agent's metering, in an hour that does not end."""
    with time_machine.travel("2026-11-22T08:00:00Z", tick=False):
        requests = RequestMetering(tmp_path / "usage" / "INSTANCE")
        yield requests
        requests.stop()


def table(requests, sent, received, service="a"):
    return [TableEntry(service, False, 1, requests, sent, received)]


def test_a_line_counts_and_the_table_does_not_count_it_again(metering):
    metering.requests.ended(1, "a", 100, 1000)
    metering.count([1])
    metering.requests.read(1, table(1, 0, 1000))
    metering.count([1])

    assert metering.total == {"a": (1, 100, 1000)}


def test_requests_without_a_line_are_counted_from_the_table(metering):
    metering.requests.ended(1, "a", 100, 1000)
    metering.requests.read(1, table(5, 300, 5000))

    metering.count([1])

    assert metering.total == {"a": (5, 300, 5000)}


def test_requests_after_the_last_table_are_counted_from_their_lines(metering):
    metering.requests.read(1, table(1, 0, 1000))
    metering.count([1])
    metering.requests.ended(1, "a", 100, 1000)
    metering.requests.ended(1, "a", 100, 1000)

    metering.count([1])

    assert metering.total == {"a": (2, 200, 2000)}


def test_the_counts_of_workers_are_added(metering):
    metering.requests.read(1, table(1, 10, 10))
    metering.requests.read(2, table(2, 20, 20))

    metering.count([1, 2])

    assert metering.total == {"a": (3, 30, 30)}


def test_an_entry_that_expired_and_started_again_counts_by_its_lines(metering):
    for _ in range(5):
        metering.requests.ended(1, "a", 10, 100)
    metering.requests.read(1, table(5, 50, 500))
    metering.count([1])

    metering.requests.ended(1, "a", 10, 100)
    metering.requests.read(1, table(1, 10, 100))
    metering.count([1])

    assert metering.total == {"a": (6, 60, 600)}


def test_another_agent_continues_the_count(metering):
    metering.requests.ended(1, "a", 100, 1000)
    metering.requests.read(1, table(1, 0, 1000))
    metering.count([1])

    metering.stop()
    metering.start()
    metering.requests.read(1, table(3, 0, 3000))
    metering.count([1])

    assert metering.total == {"a": (3, 100, 3000)}


def test_a_worker_that_has_exited_is_counted_and_forgotten(metering):
    metering.requests.ended(1, "a", 1, 1)
    metering.count([2])
    metering.stop()
    metering.start()
    metering.requests.ended(1, "a", 1, 1)
    metering.count([2])

    assert metering.total == {"a": (2, 2, 2)}


def test_the_next_agent_counts_what_a_killed_one_did_not_write(metering):
    """Readings and the totals that they cover are written in one transaction."""
    metering.requests.read(1, table(5, 50, 500))
    metering.count([1])
    metering.requests.read(1, table(7, 70, 700))
    metering.requests.have_read([1])  # the agent is killed before it is written

    metering.stop()
    metering.start()
    metering.requests.read(1, table(7, 70, 700))
    metering.count([1])

    assert metering.total == {"a": (7, 70, 700)}


def test_nothing_is_counted_again_when_a_damaged_file_was_replaced(metering):
    metering.requests.read(1, table(5, 50, 500))
    metering.count([1])
    metering.stop()
    (metering.folder / "usage.db").write_bytes(b"garbage" * 1000)

    metering.start()
    metering.requests.read(1, table(6, 60, 600))
    metering.count([1])
    metering.requests.read(1, table(8, 80, 800))
    metering.count([1])

    assert metering.total == {"a": (2, 20, 200)}


@pytest.mark.parametrize("damage", ["", "{", "[]", "5", '{"lines": 5}'])
def test_an_invalid_note_is_ignored(metering, damage):
    metering.store.write([], {"1 a": damage})
    metering.stop()

    metering.start()
    metering.requests.read(1, table(1, 1, 1))
    metering.count([1])

    assert metering.total == {"a": (1, 1, 1)}
