"""A disk that takes nothing: what waits is sent all the same, and what has arrived makes room."""

import asyncio
import errno
import os
from itertools import count

import pytest

from products.edge.portal_client import PortalUnreachable
from products.edge.recovery import CLOSED_MARK
from products.edge.reporting import ReportLoop
from products.edge.spool import segments
from tests.products.edge.fake_portal import eventually
from tests.products.edge.test_reporter import (
    Receiver,
    dead,
    live,
    reporter_for,
    spool_of,
    write_history,
)
from tests.products.edge.test_spool import entry


@pytest.fixture
def disk(monkeypatch):
    """Give two functions: to fill the disk, and to make it take bytes again."""
    write = os.write

    def refuse(descriptor, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    return (
        lambda: monkeypatch.setattr(os, "write", refuse),
        lambda: monkeypatch.setattr(os, "write", write),
    )


def test_everything_is_sent_once_and_what_has_arrived_goes(tmp_path, disk):
    expected = write_history(tmp_path)
    fill, _ = disk
    receiver = Receiver()
    reporter = reporter_for(tmp_path, receiver)
    fill()

    reporter.run(live)
    sent = len(receiver.reports)
    reporter.run(live)

    assert receiver.totals == expected
    assert len(receiver.reports) == sent
    assert reporter.status()["spool_waiting_bytes"] == 0
    assert [number for number, _ in segments(tmp_path / "BOOT")] == [9]


def test_the_position_is_written_down_once_there_is_room(tmp_path, disk):
    write_history(tmp_path)
    fill, empty = disk
    receiver = Receiver()
    reporter = reporter_for(tmp_path, receiver)
    fill()
    reporter.run(live)
    empty()
    reporter.run(live)
    sent = len(receiver.reports)

    again = reporter_for(tmp_path, receiver)
    again.run(live)

    assert again.status()["spool_waiting_bytes"] == 0
    assert [len(one.connections) for one in receiver.reports[sent:]] == [0]


def test_a_restart_before_there_was_room_sends_the_last_again_and_loses_none(
    tmp_path, disk
):
    expected = write_history(tmp_path)
    fill, empty = disk
    receiver = Receiver()
    fill()
    reporter_for(tmp_path, receiver).run(live)
    empty()
    spool = spool_of(tmp_path)
    spool.append([entry(99).to_payload()])
    spool.close()

    reporter_for(tmp_path, receiver).run(live)

    assert receiver.totals == expected | {
        ("edge-1.BOOT.99", "2026-11"): (0, 10, 20, False)
    }


def test_where_workers_cannot_write_what_had_arrived_before_makes_room(tmp_path):
    write_history(tmp_path, "A")
    write_history(tmp_path, "B")
    reporter = reporter_for(tmp_path, Receiver())
    reporter.run(live)
    before = [len(segments(tmp_path / boot)) for boot in "AB"]

    reporter.run(live, is_writable=False)

    assert before == [2, 2]
    assert [len(segments(tmp_path / boot)) for boot in "AB"] == [1, 1]


def test_while_readings_wait_for_the_disk_nobody_says_that_all_has_arrived(tmp_path):
    write_history(tmp_path)
    clock = count(1000)
    reporter = reporter_for(tmp_path, Receiver(), clock=lambda: next(clock))
    reporter.run(live)
    before = reporter.status()["complete_to"]

    reporter.run(live, is_writable=False)
    meanwhile = reporter.status()["complete_to"]
    reporter.run(live)

    assert before == meanwhile == 1000
    assert reporter.status()["complete_to"] > 1000


def test_a_boot_that_cannot_be_closed_keeps_back_no_other(tmp_path, disk):
    spool = spool_of(tmp_path, "A")
    spool.append([entry(1).to_payload()])
    spool.close()
    expected = write_history(tmp_path, "B")
    fill, empty = disk
    receiver = Receiver()
    reporter = reporter_for(tmp_path, receiver)
    fill()

    reporter.run(dead)
    arrived = dict(receiver.totals)
    complete_to = reporter.status()["complete_to"]
    empty()
    reporter.run(dead)

    assert arrived == expected | {("edge-1.A.1", "2026-11"): (0, 10, 20, False)}
    assert complete_to == 0
    assert receiver.totals["edge-1.A.1", "2026-11"] == (0, 10, 20, True)
    assert (tmp_path / "A" / CLOSED_MARK).exists()


def test_an_engine_goes_on_reporting_after_a_full_disk(tmp_path, disk):
    spool = spool_of(tmp_path)
    spool.append([entry(1).to_payload()])
    spool.close()
    fill, empty = disk
    receiver = Receiver(fails=lambda report: PortalUnreachable("away"))
    reporting = ReportLoop(reporter_for(tmp_path, receiver), 0.01)
    final = {("edge-1.BOOT.1", "2026-11"): (0, 10, 20, True)}
    fill()

    async def scenario():
        job = asyncio.ensure_future(reporting.forever(dead, lambda: True))
        await asyncio.sleep(0.2)
        empty()
        receiver.fails = lambda report: None
        await asyncio.to_thread(eventually, lambda: receiver.totals == final)
        job.cancel()

    asyncio.run(scenario())

    assert receiver.totals == final
