"""Fault 4: processes that write are killed. No acknowledged change is lost, and the trail is valid."""

import os
import random
import signal
import sqlite3
import time
from contextlib import closing

import pytest
from django.db import connection

from tests.races.conftest import order, started

WRITERS = 2


@pytest.fixture
def writers(arena):
    """Start processes that fork those that are killed."""
    people = arena.people[:WRITERS]
    with started(arena.start("toggler", each.pk) for each in people) as running:
        yield running


def acknowledged_until_killed(writers, chance):
    """Let each writer toggle until it is killed at a random moment; return how many it acknowledged."""
    order(writers, "fork")
    children = [each.answer() for each in writers]
    done = 0
    ends_at = time.monotonic() + chance.uniform(0.01, 0.3)
    order(writers, "toggle 1")
    while time.monotonic() < ends_at:
        for each in writers:
            each.answer()
            done += 1
            each.order("toggle 1")
    for child in children:
        time.sleep(chance.uniform(0, 0.02))
        os.kill(child, signal.SIGKILL)
    for each in writers:
        while each.line() != "killed\n":
            done += 1
    return done


@pytest.mark.parametrize(
    ("seed", "rounds"),
    [(1, 10), pytest.param(None, 1_000, marks=pytest.mark.nightly)],
)
def test_killed_writers_lose_no_acknowledged_change(
    arena, writers, note_figures, seed, rounds
):
    seed = seed if seed is not None else random.randrange(10**9)
    note_figures(f"seed {seed}")
    chance = random.Random(seed)

    acknowledged = sum(
        acknowledged_until_killed(writers, chance) for _ in range(rounds)
    )

    found = arena.result()
    events = found["events"]
    changes = events["product.enabled"] + events["product.disabled"]
    note_figures(f"{WRITERS * rounds} kills, {acknowledged} acknowledged of {changes}")
    # Of each killed writer one change may be committed and not acknowledged.
    assert acknowledged <= changes <= acknowledged + WRITERS * rounds
    assert acknowledged > 0
    assert events["bill.changed"] == changes
    assert found["enablements"] == events["product.enabled"]
    assert (found["is_valid"], found["checked"]) == (True, 2 * changes)
    assert integrity_of(arena) == "ok"


def integrity_of(arena):
    """Return what SQLite says of the database; PostgreSQL has no such check."""
    url = arena.environment["DATABASE_URL"]
    if connection.vendor != "sqlite":
        return "ok"
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as opened:
        return opened.execute("PRAGMA integrity_check").fetchone()[0]
