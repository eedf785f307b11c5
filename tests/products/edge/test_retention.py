"""What stays in the spool and for how long: until acknowledged, and a day more."""

import os
from pathlib import Path

import pytest

from products.edge.portal_client import PortalUnreachable
from products.edge.reporter import Reporter
from products.edge.spool import framed, segments
from tests.products.edge.test_reporter import (
    DAY,
    Receiver,
    dead,
    live,
    reporter_for,
    run_until_done,
    spool_of,
    write_history,
)
from tests.products.edge.test_spool import entry


def date_segments(folder, moment):
    """Make a boot's segments look as though they were written at a moment."""
    for _, path in segments(folder):
        os.utime(path, (moment, moment))


def test_a_restored_portal_gets_everything_that_is_kept_again(tmp_path):
    expected = write_history(tmp_path) | write_history(tmp_path, "OTHER")
    receiver = Receiver()
    reporter = reporter_for(tmp_path, receiver)
    reporter.run(live)
    receiver.totals.clear()  # the backup was older than all of it
    receiver.epoch = "two"
    spool = spool_of(tmp_path)
    spool.append([entry(99).to_payload()])
    spool.close()

    run_until_done(reporter)

    assert receiver.totals == expected | {
        ("edge-1.BOOT.99", "2026-11"): (0, 10, 20, False)
    }


def test_acknowledged_segments_go_after_a_day_and_not_before(tmp_path):
    write_history(tmp_path)
    date_segments(tmp_path / "BOOT", 1e9)

    reporter_for(tmp_path, Receiver(), now=1e9 + DAY - 60).run(live)
    kept = segments(tmp_path / "BOOT")
    reporter_for(tmp_path, Receiver(), now=1e9 + DAY + 60).run(live)

    assert [number for number, _ in kept] == [8, 9]  # the hour's, and the live one
    assert [number for number, _ in segments(tmp_path / "BOOT")] == [9]


def test_unacknowledged_segments_stay_however_old(tmp_path):
    write_history(tmp_path)
    count = len(segments(tmp_path / "BOOT"))
    receiver = Receiver(fails=lambda report: PortalUnreachable("away"))

    with pytest.raises(PortalUnreachable):
        reporter_for(tmp_path, receiver, now=1e11).run(live)

    assert len(segments(tmp_path / "BOOT")) == count


def test_a_boot_that_ended_long_ago_leaves_nothing(tmp_path):
    expected = write_history(tmp_path)
    receiver = Receiver()

    reporter_for(tmp_path, receiver, now=1e11).run(dead)

    assert receiver.totals == expected
    assert not (tmp_path / "BOOT").exists()


def test_a_crowded_spool_gives_up_the_oldest_that_is_acknowledged(tmp_path):
    for hour, boot in enumerate(("A", "B", "C")):
        write_history(tmp_path, boot)
        date_segments(tmp_path / boot, 1e9 + hour * 3600)
    reporter = reporter_for(tmp_path, Receiver(), most_bytes=13_000)

    reporter.run(live)

    left = {boot: [n for n, _ in segments(tmp_path / boot)] for boot in "ABC"}
    assert left == {"A": [9], "B": [8, 9], "C": [8, 9]}
    assert reporter.has_room


def test_a_full_spool_that_cannot_be_sent_has_no_room(tmp_path):
    write_history(tmp_path)
    receiver = Receiver(fails=lambda report: PortalUnreachable("away"))
    reporter = reporter_for(tmp_path, receiver, most_bytes=5000)

    with pytest.raises(PortalUnreachable):
        reporter.run(live)

    assert not reporter.has_room
    assert reporter.status()["spool_bytes"] > 5000


def test_damage_in_an_old_segment_costs_only_what_follows_in_it(tmp_path):
    spool = spool_of(tmp_path, segment_bytes=1)
    spool.append([entry(1).to_payload(), entry(2).to_payload()])
    spool.append([entry(3).to_payload()])
    spool.close()
    path = segments(tmp_path / "BOOT")[0][1]
    data = bytearray(path.read_bytes())
    data[len(framed(entry(1).to_payload())) + 12] ^= 1
    path.write_bytes(bytes(data))
    receiver = Receiver()

    reporter_for(tmp_path, receiver).run(live)

    assert sorted(receiver.totals) == [
        ("edge-1.BOOT.1", "2026-11"),
        ("edge-1.BOOT.3", "2026-11"),
    ]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"segment": "x"}', b'{"segment": 1}']
)
def test_a_damaged_position_means_sending_again(tmp_path, content):
    expected = write_history(tmp_path)
    (tmp_path / "BOOT" / "position.json").write_bytes(content)
    receiver = Receiver()

    reporter_for(tmp_path, receiver).run(live)

    assert receiver.totals == expected


def test_an_edge_with_nothing_to_say_still_learns_that_the_portal_was_restored(
    tmp_path,
):
    expected = write_history(tmp_path)
    receiver = Receiver()
    reporter_for(tmp_path, receiver, now=1e9).run(live)
    receiver.totals.clear()
    receiver.epoch = "two"

    reporter_for(tmp_path, receiver, now=1e9 + 100).run(live)

    assert receiver.totals == expected


def test_positions_are_forgotten_lastingly_before_the_new_epoch_is_kept(
    tmp_path, monkeypatch
):
    """Else a power cut in between leaves both the new epoch and the old positions."""
    write_history(tmp_path)
    write_history(tmp_path, "OTHER")
    receiver = Receiver()
    reporter = reporter_for(tmp_path, receiver)
    reporter.run(live)
    receiver.epoch = "two"
    synced = []
    fsync = os.fsync

    def note(descriptor):
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    spool_of(tmp_path, "NEW").append([entry(1).to_payload()])
    synced.clear()

    reporter.run(live)

    assert synced[:5] == [
        "BOOT",
        "NEW",
        "OTHER",
        f".epoch.{os.getpid()}",
        tmp_path.name,
    ]


def test_silence_is_not_broken_more_than_once_a_minute(tmp_path):
    write_history(tmp_path)
    receiver = Receiver()
    now = [1e9]
    reporter = Reporter(
        "edge-1",
        tmp_path,
        receiver,
        keep_seconds=DAY,
        most_bytes=10**9,
        clock=lambda: now[0],
    )
    reporter.run(live)
    sent = len(receiver.reports)

    for _ in range(130):
        now[0] += 1
        reporter.run(live)

    assert len(receiver.reports) == sent + 2


def test_nothing_is_called_complete_while_it_is_sent_again(tmp_path):
    write_history(tmp_path)
    receiver = Receiver(most=20)
    reporter = reporter_for(tmp_path, receiver)
    reporter.run(live)
    receiver.epoch = "two"
    spool = spool_of(tmp_path)
    spool.append([entry(99).to_payload()])
    spool.close()
    said = []

    def note(report=None):
        status = reporter.status()
        said.append((status["ingest_epoch"], status["complete_to"]))

    receiver.fails = note
    reporter.run(live)
    note()

    before, *meanwhile, after = said
    assert (before, after) == (("one", 1e9), ("two", 1e9))
    assert meanwhile == [("two", 0.0)] * len(meanwhile)
    assert len(meanwhile) > 1
