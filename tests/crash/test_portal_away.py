"""The portal killed, and its database restored from a backup: the edge goes on, nothing is lost."""

import time

import pytest

from tests.crash.counting import settled
from tests.crash.edges import TICK_SECONDS
from tests.crash.judge import Kill, judged
from tests.stories.stack import within


@pytest.mark.parametrize(
    "away_seconds", [3, pytest.param(45, marks=pytest.mark.nightly)]
)
def test_while_the_portal_is_killed_the_edge_serves_the_last_table_and_loses_nothing(
    portal, real_edge, swarm_at, note, away_seconds
):
    edge = real_edge()
    swarm = swarm_at(edge, clients=30, seed=away_seconds, lives=4.0)
    within(60, "clients are there", lambda: len(swarm.opened) >= 30)

    portal.kill()
    before = len(swarm.opened)
    time.sleep(away_seconds)
    at = edge.kill_all()  # and started again, it knows the table from its disk
    edge.start()
    kill = Kill("all at once", at, time.monotonic())
    within(60, "new ones are served", lambda: len(swarm.opened) >= before + 30)
    portal.start()
    swarm.stop()
    rows = settled(portal, edge, len(swarm.opened))

    figures = judged(swarm, rows, [kill], TICK_SECONDS)
    note(f"away for {away_seconds} s: {figures}")


@pytest.mark.parametrize("seconds", [2, pytest.param(15, marks=pytest.mark.nightly)])
def test_what_a_backup_lacks_is_sent_again_once_the_portal_says_that_it_was_restored(
    portal, real_edge, swarm_at, note, seconds
):
    edge = real_edge()
    swarm = swarm_at(edge, clients=30, seed=seconds, lives=1.5)
    time.sleep(seconds)
    portal.back_up()
    held = portal.rows(edge.name)
    time.sleep(seconds)
    within(30, "the portal knows more", lambda: len(portal.rows(edge.name)) > len(held))

    portal.kill()
    known = portal.rows(edge.name)
    portal.restore()
    restored = portal.rows(edge.name)
    portal.manage("restored")
    portal.start()
    time.sleep(seconds)
    swarm.stop()
    rows = settled(portal, edge, len(swarm.opened))

    assert len(restored) < len(known)
    note(f"{len(known) - len(restored)} rows were not in the backup")
    assert judged(swarm, rows, [], TICK_SECONDS).cut == 0
