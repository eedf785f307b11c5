"""Reports: whatever is lost, doubled or late on the way, the totals are the same."""

import random

import pytest

from products.edge.contract import RejectedRecord, UsageAnswer
from products.edge.journal import DeliveryEntry
from products.edge.portal_client import PortalErrorResponse, PortalUnreachable
from products.edge.recovery import CLOSED_MARK
from products.edge.reporter import Reporter
from products.edge.spool import Spool
from tests.products.edge.test_spool import entry

DAY = 24 * 3600.0


class Receiver:
    """Merges by maximum, and fails as it is told to."""

    def __init__(self, *, fails=lambda report: None, loses=lambda: False, most=5000):
        self.totals = {}
        self.reports = []
        self.epoch = "one"
        self.fails = fails
        self.loses = loses
        self.most = most
        self.conflicts: tuple[RejectedRecord, ...] = ()

    def usage(self, report):
        if (error := self.fails(report)) is not None:
            raise error
        if len(report.connections) + len(report.delivery) > self.most:
            raise PortalErrorResponse(413, b"too many")
        self.reports.append(report)
        for one in report.connections:
            key = (one.id, one.month)
            values = (
                one.duration_us,
                one.bytes_from_client,
                one.bytes_to_client,
                one.final,
            )
            self.totals[key] = tuple(
                map(max, values, self.totals.get(key, (0, 0, 0, False)))
            )
        for one in report.delivery:
            where = (report.boot, one.service, one.hour)
            counts = (one.requests, one.bytes_from_client, one.bytes_to_client)
            before = self.totals.get(where, (0, 0, 0))
            self.totals[where] = tuple(map(max, counts, before))
        if self.loses():
            raise PortalUnreachable("the answer was lost")
        return UsageAnswer(1, 0, self.conflicts, self.epoch)


def reporter_for(root, receiver, *, now=1e9, most_bytes=10**9, clock=None):
    return Reporter(
        "edge-1",
        root,
        receiver,
        keep_seconds=DAY,
        most_bytes=most_bytes,
        clock=clock or (lambda: now),
    )


def spool_of(root, boot="BOOT", segment_bytes=2000):
    return Spool(root / boot, segment_bytes=segment_bytes)


def live(boot):
    return True


def dead(boot):
    return False


def write_history(root, boot="BOOT"):
    """Write 30 connections that live some ticks, over several segments."""
    spool = spool_of(root, boot)
    for tick in range(8):
        spool.append(
            entry(
                number, tick * 1_000_000, sent=tick * 10, final=tick == 7
            ).to_payload()
            for number in range(1, 31)
        )
        spool.append(
            [DeliveryEntry("s", "2026-11-22T08:00:00Z", tick, tick, tick).to_payload()]
        )
    spool.close()
    return {
        (f"edge-1.{boot}.{number}", "2026-11"): (7_000_000, 70, 20, True)
        for number in range(1, 31)
    } | {(boot, "s", "2026-11-22T08:00:00Z"): (7, 7, 7)}


def run_until_done(reporter, is_live=live, tries=400):
    for _ in range(tries):
        try:
            reporter.run(is_live)
        except (PortalUnreachable, PortalErrorResponse):
            continue
        if reporter.status()["spool_waiting_bytes"] == 0:
            return
    raise AssertionError("never done")


def test_everything_arrives_once_and_nothing_is_sent_again(tmp_path):
    expected = write_history(tmp_path)
    receiver = Receiver()
    reporter = reporter_for(tmp_path, receiver)

    reporter.run(live)
    sent = len(receiver.reports)
    reporter.run(live)

    assert receiver.totals == expected
    assert len(receiver.reports) == sent
    assert reporter.status()["spool_waiting_bytes"] == 0
    first = receiver.reports[0]
    assert (first.edge, first.boot, first.sent_at) == (
        "edge-1",
        "BOOT",
        "2001-09-09T01:46:40.000000Z",
    )


def test_what_is_written_later_follows(tmp_path):
    spool = spool_of(tmp_path)
    receiver = Receiver()
    reporter = reporter_for(tmp_path, receiver)
    for duration in range(5):
        spool.append([entry(1, duration).to_payload()])
        reporter.run(live)
    spool.close()

    durations = [report.connections[0].duration_us for report in receiver.reports]
    assert durations == [0, 1, 2, 3, 4]


def test_many_readings_of_a_connection_are_sent_as_the_last(tmp_path):
    spool = spool_of(tmp_path, segment_bytes=10**6)
    spool.append(entry(1, duration).to_payload() for duration in range(1000))
    spool.close()
    receiver = Receiver()

    reporter_for(tmp_path, receiver).run(live)

    (report,) = receiver.reports
    assert [one.duration_us for one in report.connections] == [999]


def test_a_batch_holds_at_most_what_the_contract_allows(tmp_path):
    spool = spool_of(tmp_path, segment_bytes=10**8)
    spool.append(entry(number).to_payload() for number in range(12_000))
    spool.close()
    receiver = Receiver()

    reporter_for(tmp_path, receiver).run(live)

    assert [len(report.connections) for report in receiver.reports] == [
        5000,
        5000,
        2000,
    ]


@pytest.mark.parametrize("seed", range(10))
def test_a_faulty_way_to_the_portal_changes_no_total(tmp_path, seed):
    """Answers lost after the merge, 500s, nothing at all; in any order."""
    chance = random.Random(seed)
    expected = write_history(tmp_path) | write_history(tmp_path, "OTHER")

    def fails(report):
        return chance.choice(
            [
                None,
                None,
                PortalUnreachable("cut"),
                PortalErrorResponse(500, b""),
                PortalErrorResponse(503, b""),
            ]
        )

    receiver = Receiver(fails=fails, loses=lambda: chance.random() < 0.3)

    run_until_done(reporter_for(tmp_path, receiver))

    assert receiver.totals == expected


@pytest.mark.parametrize("status", [401, 403, 404, 500, 501, 503])
def test_a_portal_that_does_not_take_reports_loses_none(tmp_path, status):
    expected = write_history(tmp_path)
    receiver = Receiver(fails=lambda report: PortalErrorResponse(status, b""))
    reporter = reporter_for(tmp_path, receiver)
    with pytest.raises(PortalErrorResponse):
        reporter.run(live)
    waiting = reporter.status()["spool_waiting_bytes"]

    receiver.fails = lambda report: None
    reporter.run(live)

    assert waiting > 0
    assert receiver.totals == expected


def test_too_large_a_batch_is_halved_until_it_is_taken(tmp_path):
    expected = write_history(tmp_path)
    receiver = Receiver(most=7)

    reporter_for(tmp_path, receiver).run(live)

    assert receiver.totals == expected


def test_conflicts_are_counted_and_hold_nothing_up(tmp_path):
    expected = write_history(tmp_path)
    receiver = Receiver()
    receiver.conflicts = (RejectedRecord("edge-1.BOOT.1", "The service is not known."),)
    reporter = reporter_for(tmp_path, receiver)

    reporter.run(live)

    assert receiver.totals == expected
    assert reporter.conflicts == len(receiver.reports)


def test_a_dead_process_is_reported_as_it_was_last_known(tmp_path):
    spool = spool_of(tmp_path)
    spool.append(
        [
            entry(1, 5_000_000, sent=100).to_payload(),
            entry(2, 1, final=True).to_payload(),
        ]
    )
    spool.close()
    receiver = Receiver()

    reporter_for(tmp_path, receiver).run(dead)

    assert receiver.totals == {
        ("edge-1.BOOT.1", "2026-11"): (5_000_000, 100, 20, True),
        ("edge-1.BOOT.2", "2026-11"): (1, 10, 20, True),
    }
    assert (tmp_path / "BOOT" / CLOSED_MARK).exists()


def test_a_boot_that_is_about_to_begin_is_left_alone(tmp_path):
    (tmp_path / ".BOOT").mkdir()

    reporter_for(tmp_path, Receiver()).run(dead)

    assert list((tmp_path / ".BOOT").iterdir()) == []
