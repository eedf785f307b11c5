"""Reports in any order and any number of times give the same usage."""

import random
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from products.metering.commands import rebuild_usage
from products.metering.minutes import minutes
from products.metering.models import ConnectionUsage, Edge, UsageDispute, UsagePeriod
from products.metering.queries import totals_between
from products.months import Month
from tests.factories import NOW
from tests.products.metering.reports import (
    MINUTE_US,
    SECOND_US,
    kept,
    make_edge,
    outcome,
    record,
    take,
)
from tests.products.one_database import ONE_DATABASE

CLOSED = Month(2026, 11).closes_at("UTC")


@st.composite
def histories(draw):
    """Draw the reports of connections that grow and may end."""
    reports = []
    for number in range(draw(st.integers(1, 4))):
        steps = draw(st.lists(st.integers(0, 200 * MINUTE_US), min_size=1, max_size=5))
        ends = draw(st.booleans())
        duration, size = 0, 0
        for index, step in enumerate(steps):
            duration, size = duration + step, size + step % 1000
            reports.append(
                record(
                    number,
                    started_at=NOW - timedelta(days=2, minutes=number),
                    duration_us=duration,
                    bytes_from_client=size,
                    bytes_to_client=2 * size,
                    final=ends and index == len(steps) - 1,
                )
            )
    return reports


def emptied() -> None:
    ConnectionUsage.objects.all().delete()
    UsageDispute.objects.all().delete()
    UsagePeriod.objects.all().delete()


@pytest.fixture
def edge(db) -> Edge:
    return make_edge()


@ONE_DATABASE
@given(history=histories(), data=st.data())
def test_any_order_and_any_repetition_counts_the_same(edge, history, data):
    emptied()
    take(edge, *history)
    clean = kept()
    rebuild_usage(now=CLOSED)
    digests = list(UsagePeriod.objects.values_list("digest", flat=True))
    emptied()

    arriving = data.draw(
        st.permutations(history + data.draw(st.lists(st.sampled_from(history))))
    )
    cut = data.draw(st.integers(0, len(arriving)))
    answers = [take(edge, *arriving[:cut]), take(edge, *arriving[cut:])]

    rebuild_usage(now=CLOSED)
    assert kept() == clean
    assert list(UsagePeriod.objects.values_list("digest", flat=True)) == digests
    assert [outcome(answer)[2] for answer in answers] == [[], []]
    assert sum(sum(outcome(answer)[:2]) for answer in answers) == len(arriving)


@ONE_DATABASE
@given(history=histories(), cuts=st.lists(st.integers(0, 4 * 24 * 60), max_size=4))
def test_minutes_of_periods_add_up_to_those_of_the_connections(edge, history, cuts):
    emptied()
    take(edge, *history)
    edges = sorted(
        NOW - timedelta(days=3) + timedelta(seconds=53 * cut) for cut in cuts
    )
    bounds = [NOW - timedelta(days=3), *edges, NOW + timedelta(days=30)]

    parts = [
        totals_between(["service-1"], a, b).get("service-1")
        for a, b in pairwise(bounds)
    ]

    whole = sum(minutes(row[4]) for row in kept())
    assert sum(part.minutes for part in parts if part) == whole


@pytest.mark.parametrize("seed", [20261122])
def test_ten_thousand_records_five_times_each_and_shuffled_count_as_once(edge, seed):
    chance = random.Random(seed)
    reports = [
        record(n, duration_us=step * (SECOND_US + n), final=step == 5 and n % 2 == 0)
        for n in range(2_000)
        for step in range(1, 6)
    ]
    take_all(edge, reports)
    clean = kept()
    emptied()
    arriving = reports * 5
    chance.shuffle(arriving)

    disputed = take_all(edge, arriving)

    assert disputed == 0
    assert len(clean) == 2_000
    assert kept() == clean


def take_all(edge: Edge, reports: list, size: int = 5_000) -> int:
    """Ingest reports in batches; return how many records were disputed."""
    return sum(
        len(take(edge, *reports[start : start + size]).conflicts)
        for start in range(0, len(reports), size)
    )
