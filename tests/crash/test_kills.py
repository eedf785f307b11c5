"""Edges killed at random moments: no 101 is unknown or counted twice, and at most a tick is lost."""

import random
import time

import pytest

from tests.crash.counting import final_rows
from tests.crash.edges import TICK_SECONDS, WAYS
from tests.crash.outcome import Kill, check_outcome
from tests.stories.stack import within


def outcome_of_kills(portal, edge, swarm_at, *, clients, ways, seed):
    """Let clients connect while the edge is killed in each way, and check the outcome."""
    chance = random.Random(seed)
    swarm = swarm_at(edge, clients=clients, seed=seed, lives=6.0)
    within(60, "clients are there", lambda: len(swarm.opened) >= clients // 3)
    kills = []
    for way in ways:
        time.sleep(chance.uniform(0.2, 2.5 * TICK_SECONDS))
        kills.append(edge.kill(way, chance))
    time.sleep(chance.uniform(0.2, 1))
    swarm.stop()
    rows = final_rows(portal, edge, len(swarm.opened))
    return check_outcome(swarm, rows, kills, TICK_SECONDS)


def test_an_edge_killed_in_part_and_as_a_whole_counts_every_connection(
    portal, real_edge, swarm_at, note_figures
):
    edge = real_edge("--processes", "2")

    outcome = outcome_of_kills(
        portal, edge, swarm_at, clients=40, ways=("a worker", "all processes"), seed=1
    )

    note_figures(f"seed 1, 2 kills: {outcome}")
    assert outcome.cut > 0


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(20))
def test_an_edge_killed_at_any_moment_counts_every_connection(
    portal, real_edge, swarm_at, note_figures, seed
):
    chance = random.Random(seed)
    ways = chance.sample(WAYS, k=3)
    edge = real_edge("--processes", str(chance.choice((1, 2))))

    outcome = outcome_of_kills(
        portal, edge, swarm_at, clients=200, ways=ways, seed=seed
    )

    note_figures(f"seed {seed}, killed {', '.join(ways)}: {outcome}")
    assert outcome.cut > 0


@pytest.mark.parametrize("tunnels", [60, pytest.param(500, marks=pytest.mark.nightly)])
def test_a_kill_loses_at_most_a_tick_of_each_of_many_open_connections(
    portal, real_edge, swarm_at, note_figures, tunnels
):
    edge = real_edge()
    swarm = swarm_at(edge, clients=tunnels, seed=tunnels, lives=1e9)
    within(90, "all are open", lambda: swarm.open_now == tunnels)
    time.sleep(2.5 * TICK_SECONDS)

    killed_at = edge.kill_all()
    within(60, "all are cut", lambda: swarm.open_now == 0)
    swarm.stop()
    edge.start()
    rows = final_rows(portal, edge, len(swarm.opened))

    kill = Kill("all processes", killed_at, time.monotonic())
    outcome = check_outcome(swarm, rows, [kill], TICK_SECONDS)
    note_figures(f"{tunnels} open: {outcome}")
    assert outcome.cut == tunnels
    assert len(rows) == tunnels
