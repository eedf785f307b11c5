"""Edges killed at random moments while clients talk: no 101 unknown, nothing twice, a tick at most lost."""

import random
import time

import pytest

from tests.crash.counting import settled
from tests.crash.edges import TICK_SECONDS, WAYS
from tests.crash.judge import Kill, judged
from tests.stories.stack import within


def killed_again_and_again(portal, edge, swarm_at, *, clients, ways, seed):
    """Let clients come and go while the edge is killed in each way; judge what was counted."""
    chance = random.Random(seed)
    swarm = swarm_at(edge, clients=clients, seed=seed, lives=6.0)
    within(60, "clients are there", lambda: len(swarm.opened) >= clients // 3)
    kills = []
    for way in ways:
        time.sleep(chance.uniform(0.2, 2.5 * TICK_SECONDS))
        kills.append(edge.kill(way, chance))
    time.sleep(chance.uniform(0.2, 1))
    swarm.stop()
    rows = settled(portal, edge, len(swarm.opened))
    return judged(swarm, rows, kills, TICK_SECONDS)


def test_of_an_edge_killed_in_its_parts_and_whole_every_connection_is_counted(
    portal, real_edge, swarm_at, note
):
    edge = real_edge("--processes", "2")

    figures = killed_again_and_again(
        portal, edge, swarm_at, clients=40, ways=("a worker", "all at once"), seed=1
    )

    note(f"seed 1, 2 kills: {figures}")
    assert figures.cut > 0


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(20))
def test_of_an_edge_killed_at_any_moment_every_connection_is_counted(
    portal, real_edge, swarm_at, note, seed
):
    chance = random.Random(seed)
    ways = chance.sample(WAYS, k=3)
    edge = real_edge("--processes", str(chance.choice((1, 2))))

    figures = killed_again_and_again(
        portal, edge, swarm_at, clients=200, ways=ways, seed=seed
    )

    note(f"seed {seed}, killed {', '.join(ways)}: {figures}")
    assert figures.cut > 0


@pytest.mark.parametrize("tunnels", [60, pytest.param(500, marks=pytest.mark.nightly)])
def test_with_many_connections_open_a_kill_loses_a_tick_of_each_at_most(
    portal, real_edge, swarm_at, note, tunnels
):
    edge = real_edge()
    swarm = swarm_at(edge, clients=tunnels, seed=tunnels, lives=1e9)
    within(90, "all are open", lambda: swarm.open_now == tunnels)
    time.sleep(2.5 * TICK_SECONDS)

    killed_at = edge.kill_all()
    within(60, "all are cut", lambda: swarm.open_now == 0)
    swarm.stop()
    edge.start()
    rows = settled(portal, edge, len(swarm.opened))

    kill = Kill("all at once", killed_at, time.monotonic())
    figures = judged(swarm, rows, [kill], TICK_SECONDS)
    note(f"{tunnels} open: {figures}")
    assert figures.cut == tunnels
    assert len(rows) == tunnels
