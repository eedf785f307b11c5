"""Ordinary HTTP out of two sources that each say too little: never too much."""

import pytest

from products.edge.haproxy.delivery import Delivery
from products.edge.haproxy.master_socket import TableEntry


class Desk:
    """A delivery count, and what it handed on."""

    def __init__(self, folder):
        self.path = folder / "delivered.json"
        self.total = {}
        self.start()

    def start(self):
        self.delivery = Delivery(self.path, self.take)
        self.delivery.load()

    def take(self, service, *more):
        before = self.total.get(service, (0, 0, 0))
        self.total[service] = tuple(a + b for a, b in zip(before, more, strict=True))


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


def table(requests, sent, received, service="a"):
    values = {"gpc0": requests, "bytes_in_cnt": sent, "bytes_out_cnt": received}
    return [TableEntry(service, False, 1, values)]


def test_a_line_counts_at_once_and_the_table_does_not_count_it_again(desk):
    desk.delivery.ended(1, "a", 100, 1000)
    desk.delivery.settle([1])
    desk.delivery.read(1, table(1, 0, 1000))
    desk.delivery.settle([1])

    assert desk.total == {"a": (1, 100, 1000)}


def test_what_the_lines_missed_is_in_the_table(desk):
    desk.delivery.ended(1, "a", 100, 1000)
    desk.delivery.read(1, table(5, 300, 5000))

    desk.delivery.settle([1])

    assert desk.total == {"a": (5, 300, 5000)}


def test_what_the_table_missed_is_in_the_lines(desk):
    desk.delivery.read(1, table(1, 0, 1000))
    desk.delivery.settle([1])
    desk.delivery.ended(1, "a", 100, 1000)
    desk.delivery.ended(1, "a", 100, 1000)

    desk.delivery.settle([1])

    assert desk.total == {"a": (2, 200, 2000)}


def test_each_worker_counts_for_itself(desk):
    desk.delivery.read(1, table(1, 10, 10))
    desk.delivery.read(2, table(2, 20, 20))

    desk.delivery.settle([1, 2])

    assert desk.total == {"a": (3, 30, 30)}


def test_an_entry_that_expired_and_began_anew_goes_on_counting(desk):
    desk.delivery.read(1, table(5, 50, 500))
    desk.delivery.settle([1])

    desk.delivery.read(1, table(1, 10, 100))
    desk.delivery.settle([1])

    assert desk.total == {"a": (6, 60, 600)}


def test_another_agent_goes_on_where_the_first_stopped(desk):
    desk.delivery.ended(1, "a", 100, 1000)
    desk.delivery.read(1, table(1, 0, 1000))
    desk.delivery.settle([1])

    desk.start()
    desk.delivery.read(1, table(3, 0, 3000))
    desk.delivery.settle([1])

    assert desk.total == {"a": (3, 100, 3000)}


def test_a_worker_that_is_gone_is_counted_and_forgotten(desk):
    desk.delivery.ended(1, "a", 1, 1)
    desk.delivery.settle([2])
    desk.start()
    desk.delivery.ended(1, "a", 1, 1)
    desk.delivery.settle([2])

    assert desk.total == {"a": (2, 2, 2)}


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"1 a": {}}', b'{"1 a": 5}'])
def test_a_damaged_file_counts_as_none(desk, damage):
    desk.path.write_bytes(damage)

    desk.start()
    desk.delivery.read(1, table(1, 1, 1))
    desk.delivery.settle([1])

    assert desk.total == {"a": (1, 1, 1)}
