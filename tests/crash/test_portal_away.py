"""The portal is killed, and its database restored from a backup: the edge loses nothing."""

import time

import pytest

from tests.crash.counting import final_rows
from tests.crash.edges import TICK_SECONDS
from tests.crash.outcome import Kill, check_outcome
from tests.stories.stack import within


@pytest.mark.parametrize(
    "away_seconds", [3, pytest.param(600, marks=pytest.mark.nightly)]
)
def test_without_the_portal_an_edge_serves_the_last_table_and_loses_nothing(
    portal, real_edge, swarm_at, note_figures, away_seconds
):
    edge = real_edge()
    swarm = swarm_at(edge, clients=30, seed=away_seconds, lives=4.0)
    within(60, "clients are there", lambda: len(swarm.opened) >= 30)

    portal.kill()
    before = len(swarm.opened)
    time.sleep(away_seconds)
    at = edge.kill_all()  # after the restart it reads the route table from disk
    edge.start()
    kill = Kill("all processes", at, time.monotonic())
    within(60, "new ones are served", lambda: len(swarm.opened) >= before + 30)
    portal.start()
    swarm.stop()
    rows = final_rows(portal, edge, len(swarm.opened))

    outcome = check_outcome(swarm, rows, [kill], TICK_SECONDS)
    note_figures(f"away for {away_seconds} s: {outcome}")


@pytest.mark.parametrize("seconds", [2, pytest.param(15, marks=pytest.mark.nightly)])
def test_an_edge_resends_what_a_restored_backup_lacks(
    portal, real_edge, swarm_at, note_figures, seconds
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
    rows = final_rows(portal, edge, len(swarm.opened))

    assert len(restored) < len(known)
    note_figures(f"{len(known) - len(restored)} rows were not in the backup")
    assert check_outcome(swarm, rows, [], TICK_SECONDS).cut == 0
