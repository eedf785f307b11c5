"""Ordinary requests from two sources that each give too little: never too much."""

import pytest
import time_machine

from products.edge.haproxy.master_socket import TableEntry
from products.edge.haproxy.requests import RequestTotals
from products.edge.usage.meter import UsageMeter
from products.edge.usage.store import StoredUsage, resume_store


class Desk:
    """Request totals with a store of their own."""

    def __init__(self, folder):
        self.folder = folder
        self.start()

    def start(self):
        """Start an agent, which goes on with what an earlier one left."""
        self.store = resume_store(self.folder, max_bytes=1 << 30)
        self.meter = UsageMeter(self.store)
        with StoredUsage(self.folder) as stored:
            for reading in self._readings(stored):
                self.meter.resume_delivery(reading)
            self.requests = RequestTotals(
                self.meter, stored.notes(), is_replacement=self.store.is_replacement
            )

    def stop(self):
        """End the agent, without a tick."""
        self.store.close(is_finished=False)

    def settle(self, workers):
        """Count, and write it."""
        self.requests.settle(workers)
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
        return [one for _, one in stored.unsent(0, 100).readings]


@pytest.fixture
def desk(tmp_path):
    """Return an agent's desk, at an hour that does not end."""
    with time_machine.travel("2026-11-22T08:00:00Z", tick=False):
        desk = Desk(tmp_path / "usage" / "INSTANCE")
        yield desk
        desk.stop()


def table(requests, sent, received, service="a"):
    values = {"gpc0": requests, "bytes_in_cnt": sent, "bytes_out_cnt": received}
    return [TableEntry(service, False, 1, values)]


def test_a_line_counts_at_once_and_the_table_does_not_count_it_again(desk):
    desk.requests.ended(1, "a", 100, 1000)
    desk.settle([1])
    desk.requests.read(1, table(1, 0, 1000))
    desk.settle([1])

    assert desk.total == {"a": (1, 100, 1000)}


def test_what_the_lines_missed_is_in_the_table(desk):
    desk.requests.ended(1, "a", 100, 1000)
    desk.requests.read(1, table(5, 300, 5000))

    desk.settle([1])

    assert desk.total == {"a": (5, 300, 5000)}


def test_what_the_table_missed_is_in_the_lines(desk):
    desk.requests.read(1, table(1, 0, 1000))
    desk.settle([1])
    desk.requests.ended(1, "a", 100, 1000)
    desk.requests.ended(1, "a", 100, 1000)

    desk.settle([1])

    assert desk.total == {"a": (2, 200, 2000)}


def test_each_worker_counts_for_itself(desk):
    desk.requests.read(1, table(1, 10, 10))
    desk.requests.read(2, table(2, 20, 20))

    desk.settle([1, 2])

    assert desk.total == {"a": (3, 30, 30)}


def test_an_entry_that_expired_and_began_anew_goes_on_counting(desk):
    desk.requests.read(1, table(5, 50, 500))
    desk.settle([1])

    desk.requests.read(1, table(1, 10, 100))
    desk.settle([1])

    assert desk.total == {"a": (6, 60, 600)}


def test_another_agent_goes_on_where_the_first_stopped(desk):
    desk.requests.ended(1, "a", 100, 1000)
    desk.requests.read(1, table(1, 0, 1000))
    desk.settle([1])

    desk.stop()
    desk.start()
    desk.requests.read(1, table(3, 0, 3000))
    desk.settle([1])

    assert desk.total == {"a": (3, 100, 3000)}


def test_a_worker_that_is_gone_is_counted_and_forgotten(desk):
    desk.requests.ended(1, "a", 1, 1)
    desk.settle([2])
    desk.stop()
    desk.start()
    desk.requests.ended(1, "a", 1, 1)
    desk.settle([2])

    assert desk.total == {"a": (2, 2, 2)}


def test_what_a_crash_left_unwritten_is_counted_by_the_next_agent(desk):
    """Readings and the totals that they cover are written in one transaction."""
    desk.requests.read(1, table(5, 50, 500))
    desk.settle([1])
    desk.requests.read(1, table(7, 70, 700))
    desk.requests.settle([1])  # the agent is killed before it is written

    desk.stop()
    desk.start()
    desk.requests.read(1, table(7, 70, 700))
    desk.settle([1])

    assert desk.total == {"a": (7, 70, 700)}


def test_after_the_loss_of_a_damaged_file_nothing_is_counted_again(desk):
    desk.requests.read(1, table(5, 50, 500))
    desk.settle([1])
    desk.stop()
    (desk.folder / "usage.db").write_bytes(b"garbage" * 1000)

    desk.start()
    desk.requests.read(1, table(6, 60, 600))
    desk.settle([1])
    desk.requests.read(1, table(8, 80, 800))
    desk.settle([1])

    assert desk.total == {"a": (2, 20, 200)}


@pytest.mark.parametrize("damage", ["", "{", "[]", "5", '{"lines": 5}'])
def test_a_note_that_is_none_counts_as_none(desk, damage):
    desk.store.write([], {"1 a": damage})
    desk.stop()

    desk.start()
    desk.requests.read(1, table(1, 1, 1))
    desk.settle([1])

    assert desk.total == {"a": (1, 1, 1)}
