"""The table on disk: how old it is, and how often that is said."""

import os

import pytest

from products.edge.contract import FORMAT, RouteTable
from products.edge.table import TableFile
from tests.products.edge.fake_portal import FakePortal, eventually, route
from tests.products.edge.running import Edge, get, status_of

BEGAN_AT = 1_764_000_000.0
TABLE = RouteTable(FORMAT, 7, ())


class Clock:
    """A clock that a test moves."""

    def __init__(self):
        self.now = BEGAN_AT

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def table_file(tmp_path, clock):
    """A table that was written when the clock began."""
    one = TableFile(tmp_path / "routes.json", clock)
    one.save(TABLE, "etag")
    os.utime(tmp_path / "routes.json", (BEGAN_AT, BEGAN_AT))
    return one


def test_the_age_of_the_table_is_said_ever_less_often(table_file, clock, caplog):
    said_after: list[int] = []
    for second in range(4 * 3600):
        clock.now = BEGAN_AT + second
        table_file.log_staleness("Connection refused")
        said_after += [second] * (len(caplog.records) - len(said_after))

    assert said_after == [0, 60, 180, 420, 900, 1860, 3780, 7380, 10980]
    assert caplog.messages[3] == (
        "Using the last good table, confirmed 0:07:00 ago: Connection refused"
    )


def test_another_reason_is_logged_immediately(table_file, clock, caplog):
    table_file.log_staleness("Connection refused")
    clock.now += 1
    table_file.log_staleness("timed out")

    assert caplog.messages == [
        "Using the last good table, confirmed 0:00:00 ago: Connection refused",
        "Using the last good table, confirmed 0:00:01 ago: timed out",
    ]


def test_a_word_of_the_portal_makes_the_table_young_also_for_the_next_start(
    table_file, clock, caplog, tmp_path
):
    clock.now += 3600
    table_file.confirm()
    clock.now += 30
    again = TableFile(tmp_path / "routes.json", clock)
    again.log_staleness("Connection refused")

    assert again.load() == (TABLE, "etag")
    assert caplog.messages == [
        "Using the last good table, confirmed 0:00:30 ago: Connection refused"
    ]


def test_a_table_that_could_not_be_written_does_not_make_the_old_one_young(
    table_file, clock, tmp_path
):
    (tmp_path / f".routes.json.{os.getpid()}").mkdir()  # in the way of the new one
    with pytest.raises(OSError, match="Is a directory"):
        table_file.save(TABLE, "newer")
    clock.now += 3600
    table_file.confirm()

    assert (tmp_path / "routes.json").stat().st_mtime == BEGAN_AT


def test_an_edge_says_how_old_its_table_is_when_the_portal_is_away(tmp_path):
    portal = FakePortal()
    edge = Edge(portal, tmp_path)
    edge.apply(route("kept.test"))
    assert edge.stop() == 0
    hour_ago = (tmp_path / "data" / "routes.json").stat().st_mtime - 3600
    os.utime(tmp_path / "data" / "routes.json", (hour_ago, hour_ago))
    portal.answers_routes = False

    again = Edge(portal, tmp_path)
    eventually(lambda: "Using the last good table, confirmed 1:00:" in again.log())

    assert status_of(again.ask(get("kept.test"))) != 404
    assert again.stop() == 0
    portal.close()
