"""Reports: whatever is lost, doubled or late between edge and portal, the totals are the same."""

import os
import random
import time
from datetime import UTC, datetime

import pytest

from products.edge.contract import RejectedRecord, UsageAnswer
from products.edge.errors import PortalErrorResponse, PortalUnreachable
from products.edge.usage.reporter import Reporter
from products.edge.usage.store import StoredUsage, UsageStore
from tests.products.edge.usage.test_store import SERVICE, delivery, reading

DAY = 24 * 3600.0
HOUR = "2026-11-22T08:00:00Z"


class Client:
    """A portal that merges by maximum, and fails as a test wants."""

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
                one.duration_us, one.bytes_from_client, one.bytes_to_client, one.final,
            )  # fmt: skip
            before = self.totals.get(key, (0, 0, 0, False))
            self.totals[key] = tuple(map(max, values, before))
        for one in report.delivery:
            where = (report.instance, one.service, f"{one.hour:%Y-%m-%dT%H:%M:%SZ}")
            counts = (one.requests, one.bytes_from_client, one.bytes_to_client)
            before = self.totals.get(where, (0, 0, 0))
            self.totals[where] = tuple(map(max, counts, before))
        if self.loses():
            raise PortalUnreachable("the answer was lost")
        return UsageAnswer(1, 0, self.conflicts, self.epoch)


def reporter_for(root, client, *, now=None, max_bytes=10**9, clock=None, elapsed=None):
    root.mkdir(exist_ok=True)
    return Reporter(
        "edge-1",
        root,
        client.usage,
        max_bytes=max_bytes,
        clock=clock or (lambda: time.time() if now is None else now),
        elapsed=elapsed or time.monotonic,
    )


def store_of(root, instance="INSTANCE"):
    return UsageStore(root / instance, max_bytes=1 << 30)


def written(root, *readings, instance="INSTANCE"):
    """Write readings in an instance of a process that ends."""
    store = store_of(root, instance)
    store.write(readings)
    store.close()


def running(instance):
    return True


def dead(instance):
    return False


def write_history(root, instance="INSTANCE"):
    """Write 30 connections that live some ticks; return the totals."""
    store = store_of(root, instance)
    for tick in range(8):
        store.write(
            [
                *(
                    reading(number, tick * 1_000_000, sent=tick * 10, final=tick == 7)
                    for number in range(1, 31)
                ),
                delivery(1),
            ]
        )
    store.close()
    return {
        (f"edge-1.{instance}.{number}", "2026-11"): (7_000_000, 70, 20, True)
        for number in range(1, 31)
    } | {(instance, SERVICE, HOUR): (8, 80, 800)}


def unsent_bytes(reporter):
    return reporter.status()["unsent_bytes"]


def run_until_done(reporter, tries=400):
    for _ in range(tries):
        try:
            reporter.run(running)
        except (PortalUnreachable, PortalErrorResponse):
            continue
        if unsent_bytes(reporter) == 0:
            return
    raise AssertionError("never done")


def test_everything_arrives_once_and_nothing_is_sent_again(root):
    expected = write_history(root)
    client = Client()
    reporter = reporter_for(root, client, now=1e9)

    reporter.run(running)
    sent = len(client.reports)
    reporter.run(running)

    assert client.totals == expected
    assert len(client.reports) == sent
    assert unsent_bytes(reporter) == 0
    first = client.reports[0]
    assert (first.edge, first.instance, first.sent_at) == (
        "edge-1",
        "INSTANCE",
        datetime(2001, 9, 9, 1, 46, 40, tzinfo=UTC),
    )


def test_a_restart_sends_nothing_again(root):
    write_history(root)
    client = Client()
    reporter_for(root, client).run(running)

    reporter_for(root, client).run(running)

    sizes = [len(one.connections) + len(one.delivery) for one in client.reports]
    assert sizes == [31, 0]


def test_what_is_written_later_follows(root):
    store = store_of(root)
    client = Client()
    reporter = reporter_for(root, client)
    for duration in range(5):
        store.write([reading(1, duration)])
        reporter.run(running)
    store.close()

    durations = [report.connections[0].duration_us for report in client.reports]
    assert durations == [0, 1, 2, 3, 4]


def test_a_batch_is_small_enough_for_little_memory(root):
    written(root, *(reading(number) for number in range(2_500)))
    client = Client()

    reporter_for(root, client).run(running)

    sizes = [len(report.connections) for report in client.reports]
    assert sizes == [500] * 5


@pytest.mark.parametrize("seed", range(10))
def test_a_faulty_way_to_the_portal_changes_no_total(root, seed):
    """Answers lost after the merge, 500s, nothing at all; in any order."""
    chance = random.Random(seed)
    expected = write_history(root) | write_history(root, "OTHER")

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

    client = Client(fails=fails, loses=lambda: chance.random() < 0.3)

    run_until_done(reporter_for(root, client))

    assert client.totals == expected


@pytest.mark.parametrize("status", [401, 403, 404, 500, 501, 503])
def test_a_portal_that_does_not_accept_reports_loses_none(root, status):
    expected = write_history(root)
    client = Client(fails=lambda report: PortalErrorResponse(status, b""))
    reporter = reporter_for(root, client)
    with pytest.raises(PortalErrorResponse):
        reporter.run(running)
    waiting = unsent_bytes(reporter)

    client.fails = lambda report: None
    reporter.run(running)

    assert waiting > 0
    assert client.totals == expected


def test_too_large_a_batch_is_halved_until_it_is_accepted(root):
    expected = write_history(root)
    client = Client(most=7)

    reporter_for(root, client).run(running)

    assert client.totals == expected


def test_conflicts_hold_nothing_up(root):
    expected = write_history(root)
    client = Client()
    client.conflicts = (
        RejectedRecord("edge-1.INSTANCE.1", "The service is not known."),
    )
    reporter = reporter_for(root, client)

    reporter.run(running)

    assert client.totals == expected
    assert unsent_bytes(reporter) == 0


def test_a_dead_process_is_reported_as_it_was_last_known(root):
    written(root, reading(1, 5_000_000, sent=100), reading(2, 1, final=True))
    client = Client()

    reporter_for(root, client).run(dead)

    assert client.totals == {
        ("edge-1.INSTANCE.1", "2026-11"): (5_000_000, 100, 20, True),
        ("edge-1.INSTANCE.2", "2026-11"): (1, 10, 20, True),
    }


def test_a_process_that_died_after_its_readings_were_sent_is_finished(root):
    written(root, reading(1, 5), reading(2, 5))
    client = Client()
    reporter = reporter_for(root, client)
    reporter.run(running)

    reporter.run(dead)

    assert [one.final for one in client.reports[-1].connections] == [True, True]


def test_an_instance_that_is_about_to_start_is_left_alone(root):
    (root / "INSTANCE").mkdir(parents=True)

    reporter_for(root, Client()).run(dead)

    assert list((root / "INSTANCE").iterdir()) == []


def test_a_folder_whose_process_never_started_is_removed(root):
    for name in ("OLD", "YOUNG"):
        (root / name).mkdir(parents=True)
    os.utime(root / "OLD", (time.time() - 61,) * 2)

    reporter_for(root, Client()).run(dead)

    assert [path.name for path in root.iterdir()] == ["YOUNG"]


def test_a_process_that_writes_all_the_time_still_comes_to_the_end_of_a_report(root):
    busy, calm = store_of(root, "A"), store_of(root, "B")
    for store in (busy, calm):
        store.write([reading(1)])
    client = Client()

    def connect(report):
        assert len(client.reports) < 10, "the report has no end"
        busy.write([reading(len(client.reports) + 2)])

    client.fails = connect
    reporter = reporter_for(root, client)
    reporter.run(running)

    sent = [
        (one.instance, [record.id for record in one.connections])
        for one in client.reports
    ]
    assert sent == [("A", ["edge-1.A.1"]), ("B", ["edge-1.B.1"])]
    assert unsent_bytes(reporter) > 0  # what was written meanwhile is for the next one
    busy.close()
    calm.close()


def test_readings_that_change_while_others_are_sent_are_still_complete(root):
    """With more open connections than a report holds, some always change meanwhile."""
    store = store_of(root)
    store.write([reading(number) for number in range(12_000)])
    client = Client()

    def tick(report):
        store.write(
            [reading(number, len(client.reports) + 1) for number in range(12_000)]
        )

    client.fails = tick
    reporter = reporter_for(root, client)
    before = time.time()
    reporter.run(running)
    store.close()

    sent = {one.id for report in client.reports for one in report.connections}
    assert len(sent) == 12_000
    assert before <= reporter.status()["complete_to"] <= time.time()


def test_the_store_that_a_power_cut_took_back_is_sent_again(root):
    written(root, reading(1), reading(2), reading(3))
    client = Client()
    reporter = reporter_for(root, client)
    reporter.run(running)
    with StoredUsage(root / "INSTANCE") as stored:  # the last second is lost
        stored._connection.execute("DELETE FROM connection WHERE number > 1")

    reporter.run(dead)

    last = client.reports[-1].connections
    assert [(one.id, one.final) for one in last] == [("edge-1.INSTANCE.1", True)]


def test_a_file_that_replaces_a_damaged_one_is_sent_from_its_beginning(root):
    written(root, *(reading(number) for number in range(1, 6)))
    client = Client()
    reporter = reporter_for(root, client)
    reporter.run(running)
    (root / "INSTANCE").rename(root / "INSTANCE.damaged-1")

    written(root, *(reading(number, 9) for number in range(1, 9)))
    reporter.run(running)

    assert len(client.reports[-1].connections) == 8


def test_a_damaged_file_is_quarantine_damaged_and_holds_up_no_other(root, caplog):
    written(root, reading(1), instance="A")
    written(root, reading(1), instance="B")
    (root / "A" / "usage.db").write_bytes(b"garbage" * 1000)
    client = Client()
    reporter = reporter_for(root, client)

    reporter.run(dead)

    assert list(client.totals) == [("edge-1.B.1", "2026-11")]
    assert (root / "A.damaged-1" / "usage.db").exists()
    assert "is damaged" in caplog.text
    status = reporter.status()
    assert (status["quarantined_records"], status["complete_to"]) == (1, 0)


def test_a_damaged_file_of_a_process_that_runs_holds_up_no_other(root):
    written(root, reading(1), instance="A")
    written(root, reading(1), instance="B")
    (root / "A" / "usage.db").write_bytes(b"garbage" * 1000)
    client = Client()
    reporter = reporter_for(root, client)

    reporter.run(running)

    assert list(client.totals) == [("edge-1.B.1", "2026-11")]
    assert (root / "A").exists()
    assert reporter.status()["complete_to"] == 0


@pytest.mark.parametrize("damage", [b"garbage" * 1000, b""])
def test_the_loss_of_what_was_acknowledged_means_sending_again(root, damage):
    expected = write_history(root)
    client = Client()
    reporter_for(root, client).run(running)
    client.totals.clear()
    (root.parent / "reports.json").write_bytes(damage)

    reporter_for(root, client).run(running)

    assert client.totals == expected


def test_a_clock_that_is_set_back_delays_no_empty_report(root):
    write_history(root)
    client, now, elapsed = Client(), [1e9], [0.0]
    reporter = reporter_for(
        root, client, clock=lambda: now[0], elapsed=lambda: elapsed[0]
    )
    reporter.run(running)
    sent = len(client.reports)

    now[0], elapsed[0] = 1e9 - 3600, 60.0
    reporter.run(running)

    assert len(client.reports) == sent + 1
