"""Twenty concurrent calls with one `Idempotency-Key` have one effect and twenty equal answers."""

import json

import pytest

from tests.races.conftest import order, started

PROCESSES = 2  # of ten threads each


@pytest.fixture
def callers(arena):
    words = ("caller", arena.service.pk, arena.key)
    with started(arena.start(*words) for _ in range(PROCESSES)) as running:
        yield running


@pytest.mark.parametrize("rounds", [5, pytest.param(100, marks=pytest.mark.nightly)])
def test_twenty_calls_with_one_key_have_one_effect(arena, callers, rounds):
    statuses, bodies = set(), []

    for number in range(rounds):
        order(callers, f"key-{number} comment-{number}")
        answers = [each for process in callers for each in process.answer()]
        statuses |= {status for status, _, _ in answers}
        bodies.append({body for _, body, _ in answers})

    assert statuses == {200}
    assert [len(each) for each in bodies] == [1] * rounds
    numbers = [json.loads(body)["number"] for (body,) in bodies]
    assert numbers == list(range(2, rounds + 2))
    assert arena.result()["events"] == {"version.created": rounds}


def test_of_different_bodies_with_one_key_one_is_carried_out(arena, callers):
    for number, process in enumerate(callers):
        process.order(f"key comment-{number}")

    statuses = [[status for status, _, _ in process.answer()] for process in callers]

    assert sorted(statuses) == [[200] * 10, [422] * 10]
    assert arena.result()["events"] == {"version.created": 1}
