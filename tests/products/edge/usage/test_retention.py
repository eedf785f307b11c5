"""What stays in the usage store and for how long: until acknowledged, and a day more."""

import time

import pytest

from products.edge.errors import PortalUnreachable
from products.edge.usage.store import StoredUsage
from tests.products.edge.usage.test_reporter import (
    DAY,
    Client,
    dead,
    reporter_for,
    run_until_done,
    running,
    unsent_bytes,
    write_history,
    written,
)
from tests.products.edge.usage.test_store import reading


def numbers_in(root):
    """Return the numbers of the connections that the store still has."""
    with StoredUsage(root / "INSTANCE") as stored:
        return [row[1] for row in stored.unsent(0, 100_000)]


def test_a_restored_portal_gets_everything_that_is_kept_again(root):
    expected = write_history(root) | write_history(root, "OTHER")
    client = Client()
    reporter = reporter_for(root, client)
    reporter.run(running)
    client.totals.clear()  # the backup was older than all of it
    client.epoch = "two"
    written(root, reading(99))

    run_until_done(reporter)

    assert client.totals == expected | {
        ("edge-1.INSTANCE.99", "2026-11"): (0, 10, 20, False)
    }


def test_what_is_acknowledged_and_a_day_old_is_pruned(root):
    written(root, reading(1, final=True), reading(2))
    now = [time.time()]
    reporter = reporter_for(root, Client(), clock=lambda: now[0])
    reporter.run(running)
    now[0] += DAY - 60
    reporter.run(running)
    kept = numbers_in(root)

    now[0] += 120
    reporter.run(running)

    assert kept == [1, 2]
    assert numbers_in(root) == [2]  # it is open


def test_nothing_is_pruned_that_is_unsent(root):
    written(root, reading(1, final=True))
    client = Client(fails=lambda report: PortalUnreachable("away"))
    reporter = reporter_for(root, client, now=1e11)

    with pytest.raises(PortalUnreachable):
        reporter.run(running)

    assert numbers_in(root) == [1]


def test_a_finished_instance_goes_when_its_last_reading_is_a_day_old(root):
    expected = write_history(root)
    client = Client()
    now = [time.time()]
    reporter = reporter_for(root, client, clock=lambda: now[0])

    reporter.run(dead)
    now[0] += DAY - 60
    reporter.run(dead)
    is_kept = (root / "INSTANCE").exists()
    now[0] += 120
    reporter.run(dead)

    assert client.totals == expected
    assert is_kept
    assert list(root.iterdir()) == []


def test_a_finished_instance_that_is_unsent_stays_however_old(root):
    write_history(root)
    client = Client(fails=lambda report: PortalUnreachable("away"))

    with pytest.raises(PortalUnreachable):
        reporter_for(root, client, now=1e11).run(dead)

    assert (root / "INSTANCE").exists()


def test_a_store_more_than_half_full_keeps_what_has_arrived_for_less_time(root):
    written(root, *(reading(number, final=True) for number in range(5_000)))
    with StoredUsage(root / "INSTANCE") as stored:
        used = stored.used_bytes()
    started_at = time.time()
    now = [started_at]
    # Two thirds of it are in use, so two thirds of a day are left.
    reporter = reporter_for(
        root, Client(), clock=lambda: now[0], max_bytes=used * 3 // 2
    )
    reporter.run(running)
    now[0] += DAY * 2 / 3 - 60
    reporter.run(running)
    tight = len(numbers_in(root))
    now[0] += 120
    reporter.run(running)
    pruned = len(numbers_in(root))
    written(root, *(reading(number, final=True) for number in range(9_000, 9_100)))
    now[0] = started_at
    reporter.run(running)
    now[0] += DAY - 60
    reporter.run(running)

    assert (tight, pruned) == (5_000, 0)
    assert len(numbers_in(root)) == 100


def test_a_full_store_that_cannot_be_sent_has_no_capacity(root):
    write_history(root)
    client = Client(fails=lambda report: PortalUnreachable("away"))
    reporter = reporter_for(root, client, max_bytes=5000)

    with pytest.raises(PortalUnreachable):
        reporter.run(running)

    assert not reporter.has_capacity
    assert unsent_bytes(reporter) > 0


def test_an_edge_with_nothing_to_report_still_learns_that_the_portal_was_restored(root):
    expected = write_history(root)
    client = Client()
    reporter_for(root, client, now=1e9).run(running)
    client.totals.clear()
    client.epoch = "two"

    reporter_for(root, client, now=1e9 + 100).run(running)

    assert client.totals == expected


def test_a_crash_while_everything_is_sent_again_does_not_end_it(root):
    """The new epoch and the forgotten acknowledgements are one transaction."""
    expected = write_history(root)
    client = Client(most=7)
    reporter_for(root, client).run(running)
    client.totals.clear()
    client.epoch = "two"
    answers = iter(range(3))
    client.loses = lambda: next(answers, None) is None
    with pytest.raises(PortalUnreachable):
        reporter_for(root, client, now=time.time() + 100).run(running)
    client.loses = lambda: False

    reporter_for(root, client).run(running)

    assert client.totals == expected


def test_an_empty_report_is_sent_at_most_once_a_minute(root):
    write_history(root)
    client = Client()
    elapsed = [0]
    reporter = reporter_for(root, client, elapsed=lambda: elapsed[0])
    reporter.run(running)
    sent = len(client.reports)

    for _ in range(130):
        elapsed[0] += 1
        reporter.run(running)

    assert len(client.reports) == sent + 2


def test_nothing_is_called_complete_while_it_is_sent_again(root):
    write_history(root)
    client = Client(most=20)
    reporter = reporter_for(root, client, now=1e9)
    reporter.run(running)
    client.epoch = "two"
    written(root, reading(99))
    said = []

    def record(report=None):
        status = reporter.status()
        said.append((status["ingest_epoch"], status["complete_to"]))

    client.fails = record
    reporter.run(running)
    record()

    before, *meanwhile, after = said
    assert (before, after) == (("one", 1e9), ("two", 1e9))
    assert meanwhile == [("two", 0.0)] * len(meanwhile)
    assert len(meanwhile) > 1
