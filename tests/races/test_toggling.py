"""Superusers enable and disable concurrently: no change is lost or blocked, and all are recorded."""

from collections import Counter

import pytest

from tests.races.conftest import order, started

PROCESSES = 8


@pytest.fixture
def togglers(arena):
    """Start eight processes, half of them as Sam and half as Sue."""
    people = [arena.people[number % 2].pk for number in range(PROCESSES)]
    with started(arena.start("toggler", each) for each in people) as running:
        yield running


@pytest.mark.parametrize(
    "changes", [200, pytest.param(3_200, marks=pytest.mark.nightly)]
)
def test_eight_processes_lose_no_change_and_block_no_one(arena, togglers, changes):
    order(togglers, f"toggle {changes // PROCESSES}")

    total = sum((Counter(each.answer()) for each in togglers), Counter())

    enabled, disabled = total["enabled"], total["disabled"]
    assert enabled + disabled == changes
    assert arena.result() == {
        "events": {
            "product.enabled": enabled,
            "product.disabled": disabled,
            "bill.changed": changes,
        },
        "enablements": enabled,
        "open": enabled - disabled,
        "is_valid": True,
        "checked": 2 * changes,
    }


@pytest.mark.parametrize("pairs", [10, pytest.param(200, marks=pytest.mark.nightly)])
def test_of_two_concurrent_changes_one_is_refused_with_who_and_when(
    arena, togglers, pairs
):
    sam, sue = togglers[:2]
    refusals = []

    for number in range(pairs):
        order([sam, sue], "disable" if number % 2 else "enable")
        refusals.append(sorted([sam.answer()["refusal"], sue.answer()["refusal"]]))

    # The first is not refused; the second reads who was first, and when.
    assert [first for first, _ in refusals] == [""] * pairs
    words = {
        second.replace("Sam", "NAME").replace("Sue", "NAME") for _, second in refusals
    }
    assert words == {
        "WebSockets is already enabled: NAME enabled it on 22 November 2026, 13:00 UTC.",
        "WebSockets is already disabled: NAME disabled it on 22 November 2026, 13:00 UTC.",
    }
    # One enablement per order to enable, so nothing is billed twice.
    assert arena.result()["enablements"] == pairs / 2
