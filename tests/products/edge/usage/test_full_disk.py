"""A disk that accepts nothing: unsent readings are sent anyway, and what has arrived is removed."""

import asyncio
import errno
import sqlite3
from itertools import count

import pytest

from products.edge import files
from products.edge.errors import PortalUnreachable
from products.edge.portal import PortalLink
from products.edge.usage import reporter, store
from products.edge.usage.store import StoredUsage
from tests.products.edge.test_portal import SECONDS, settings
from tests.products.edge.usage.test_reporter import (
    Client,
    dead,
    reporter_for,
    running,
    store_of,
    unsent_bytes,
    write_history,
    written,
)
from tests.products.edge.usage.test_store import reading


class Full:
    """A connection whose disk is full: it reads, and cannot begin to write."""

    def __init__(self, connection):
        self._connection = connection

    def execute(self, statement, *values):
        if statement.startswith(("BEGIN IMMEDIATE", "CREATE")):
            raise sqlite3.OperationalError("database or disk is full")
        return self._connection.execute(statement, *values)

    def executescript(self, script):
        raise sqlite3.OperationalError("database or disk is full")

    def __getattr__(self, name):
        return getattr(self._connection, name)


def refuse(path, data):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture
def refusing(monkeypatch):
    """Have the disk accept no file; the store's log has space that it uses again."""
    monkeypatch.setattr(reporter, "atomic_write", refuse)


@pytest.fixture
def disk(monkeypatch):
    """Return two functions: to fill the disk of the control process, and to empty it."""
    connect, atomic_write = store.connect, files.atomic_write

    def full(path, **how):
        return Full(connect(path, **how))

    def become(connecting, writing):
        monkeypatch.setattr(store, "connect", connecting)
        monkeypatch.setattr(reporter, "atomic_write", writing)

    return lambda: become(full, refuse), lambda: become(connect, atomic_write)


def test_everything_is_sent_once_while_the_disk_is_full(root, disk):
    expected = write_history(root)
    fill, _ = disk
    client = Client()
    reporter = reporter_for(root, client)
    fill()

    reporter.run(running)
    sent = len(client.reports)
    reporter.run(running)

    assert client.totals == expected
    assert len(client.reports) == sent
    assert unsent_bytes(reporter) == 0


def test_acknowledged_readings_are_pruned_when_the_disk_is_full(root, refusing):
    written(root, reading(1, final=True), reading(2))
    reporter = reporter_for(root, Client())

    reporter.run(running)

    with StoredUsage(root / "INSTANCE") as stored:
        assert [row[1] for row in stored.unsent(0, 100)] == [2]


def test_a_finished_instance_that_has_arrived_goes_when_workers_cannot_write(root):
    write_history(root)
    reporter = reporter_for(root, Client())
    reporter.run(dead)
    is_kept = (root / "INSTANCE").exists()

    reporter.run(dead, is_writable=False)

    assert is_kept
    assert not (root / "INSTANCE").exists()


def test_acknowledgements_are_written_when_the_disk_has_space(root, disk):
    write_history(root)
    fill, empty = disk
    client = Client()
    reporter = reporter_for(root, client)
    fill()
    reporter.run(running)
    empty()
    reporter.run(running)
    sent = len(client.reports)

    again = reporter_for(root, client)
    again.run(running)

    assert unsent_bytes(again) == 0
    assert [len(one.connections) for one in client.reports[sent:]] == [0]


def test_a_restart_while_the_disk_is_full_sends_again_and_loses_nothing(root, disk):
    expected = write_history(root)
    fill, empty = disk
    client = Client()
    fill()
    reporter_for(root, client).run(running)
    empty()
    written(root, reading(99))

    reporter_for(root, client).run(running)

    assert client.totals == expected | {
        ("edge-1.INSTANCE.99", "2026-11"): (0, 10, 20, False)
    }


def test_nothing_is_complete_while_readings_wait_for_the_disk(root):
    write_history(root)
    clock = count(1000)
    reporter = reporter_for(root, Client(), clock=lambda: next(clock))
    reporter.run(running)
    before = reporter.status()["complete_to"]

    reporter.run(running, is_writable=False)
    meanwhile = reporter.status()["complete_to"]
    reporter.run(running)

    assert before == meanwhile == 1000
    assert reporter.status()["complete_to"] > 1000


def test_an_instance_that_cannot_be_finished_holds_up_no_other(root, disk):
    written(root, reading(1), instance="A")
    expected = write_history(root, "B")
    fill, empty = disk
    client = Client()
    reporter = reporter_for(root, client)
    fill()

    reporter.run(dead)
    arrived = dict(client.totals)
    complete_to = reporter.status()["complete_to"]
    empty()
    reporter.run(dead)

    assert arrived == expected | {("edge-1.A.1", "2026-11"): (0, 10, 20, False)}
    assert complete_to == 0
    assert client.totals["edge-1.A.1", "2026-11"] == (0, 10, 20, True)
    with StoredUsage(root / "A") as stored:
        assert stored.open_connections() == []


def test_a_portal_that_was_restored_while_the_disk_was_full_is_noticed(root, disk):
    expected = write_history(root)
    fill, empty = disk
    client = Client()
    reporter_for(root, client).run(running)
    client.totals.clear()
    client.epoch = "two"
    fill()
    reporter = reporter_for(root, client)
    reporter.run(running)
    empty()
    reporter.run(running)

    assert client.totals == expected


def test_an_engine_goes_on_reporting_after_a_full_disk(root, disk):
    store_of(root).close()
    written(root, reading(1))
    fill, empty = disk
    client = Client(fails=lambda report: PortalUnreachable("away"))
    link = PortalLink(settings(root), client)
    link.reporter = reporter_for(root, client)
    final = {("edge-1.INSTANCE.1", "2026-11"): (0, 10, 20, True)}
    fill()

    async def scenario():
        assert await link.report(dead, is_writable=True) == 2 * SECONDS
        empty()
        client.fails = lambda report: None
        assert await link.report(dead, is_writable=True) == SECONDS
        assert client.totals == final

    asyncio.run(scenario())

    assert client.totals == final
