"""People enable and disable at once: nothing lost, nothing locked, every change recorded."""

import json
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest

from tests.races.conftest import ROOT, Arena, Process

PROCESSES = 8
CHANGES = 3_200
PAIRS = 20


@pytest.fixture
def togglers(arena):
    """Start eight processes, half of them as Sam and half as Sue."""
    started = [arena.toggler(arena.people[number % 2]) for number in range(PROCESSES)]
    for each in started:
        assert each.stdout.readline() == "ready\n", each.stderr.read()
    yield started
    for each in started:
        each.communicate(timeout=60)


def order(processes: list[Process], words: str) -> None:
    """Tell all of them at one moment."""
    for each in processes:
        each.stdin.write(f"{words}\n")
    for each in processes:
        each.stdin.flush()


def answer(process: Process) -> dict[str, Any]:
    """Wait for what came of the order; a process that failed says why."""
    line = process.stdout.readline()
    assert line, process.stderr.read()
    found: dict[str, Any] = json.loads(line)
    return found


def judged(arena: Arena) -> dict[str, object]:
    """Return what the race has left in the database."""
    result = subprocess.run(
        [sys.executable, "-m", "tests.races.judge", arena.account.pk],
        cwd=ROOT,
        env=arena.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, object] = json.loads(result.stdout)
    return found


def test_eight_processes_lose_nothing_and_lock_nobody_out(arena, togglers):
    order(togglers, f"toggle {CHANGES // PROCESSES}")

    total = sum((Counter(answer(each)) for each in togglers), Counter())

    enabled, disabled = total["enabled"], total["disabled"]
    assert enabled + disabled == CHANGES
    assert judged(arena) == {
        "events": {
            "product.enabled": enabled,
            "product.disabled": disabled,
            "bill.changed": CHANGES,
        },
        "enablements": enabled,
        "open": enabled - disabled,
        "sound": True,
        "checked": 2 * CHANGES,
    }


def test_of_two_at_once_one_wins_and_the_other_is_told_who_and_when(arena, togglers):
    sam, sue = togglers[:2]
    told = []

    for number in range(PAIRS):
        order([sam, sue], "disable" if number % 2 else "enable")
        told.append(sorted([answer(sam)["told"], answer(sue)["told"]]))

    # The winner is told nothing; the other hears who it was, and when.
    assert [first for first, _ in told] == [""] * PAIRS
    words = {second.replace("Sam", "NAME").replace("Sue", "NAME") for _, second in told}
    assert words == {
        "WebSockets is already enabled: NAME enabled it on 22 November 2026, 13:00 UTC.",
        "WebSockets is already disabled: NAME disabled it on 22 November 2026, 13:00 UTC.",
    }
    # Never two bills: as many enablements as there were turns to enable.
    assert judged(arena)["enablements"] == PAIRS / 2
