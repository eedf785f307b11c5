"""Minutes and connections up to bounds are summed up in SQL: the same as connection by connection."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from products.instants import microseconds_of
from products.metering.minutes import minutes
from products.metering.models import ConnectionUsage
from products.metering.queries.daily import usage_up_to
from products.months import Month
from tests.factories.rolled_back import rolled_back
from tests.products.one_database import ONE_DATABASE

OCTOBER = Month(2026, 10)
FIRST = datetime(2026, 10, 1, tzinfo=UTC)
# A day, an instant within a minute, and one a microsecond after the start of a minute.
BOUNDS = [
    FIRST,
    FIRST + timedelta(days=1),
    FIRST + timedelta(days=1, seconds=30, microseconds=5),
    FIRST + timedelta(days=2, microseconds=1),
    FIRST + timedelta(days=31),
]
BOUNDS_US = [*map(microseconds_of, BOUNDS)]
DAY_US = 86_400_000_000
# Around the bounds and the minutes of each, and anywhere.
NEAR = st.builds(
    lambda bound, minute, more: bound + minute * 60_000_000 + more,
    st.sampled_from(BOUNDS_US),
    st.integers(-2, 2),
    st.integers(-6, 6) | st.integers(-60_000_000, 60_000_000),
)
STARTS = NEAR | st.integers(BOUNDS_US[0] - 3 * DAY_US, BOUNDS_US[-1] - 1)
ENDS = NEAR | st.integers(BOUNDS_US[0], BOUNDS_US[-1] + 3 * DAY_US)
SPANS = st.lists(
    st.tuples(STARTS, ENDS).map(lambda pair: (pair[0], max(pair))), max_size=8
)


@ONE_DATABASE
@given(spans=SPANS)
def test_sums_at_bounds_are_those_of_the_single_connections(db, spans):
    with rolled_back():
        ConnectionUsage.objects.bulk_create(
            connection(number, *span) for number, span in enumerate(spans)
        )

        used = usage_up_to(["s"], OCTOBER, BOUNDS).by_service

    inside = [
        (start, end)
        for start, end in spans
        if start < BOUNDS_US[-1] and (start >= BOUNDS_US[0] or end > BOUNDS_US[0])
    ]
    found = used.get("s", expected([]))
    assert {name: found[name] for name in expected([])} == expected(inside)


def expected(spans):
    """Return the minutes, the open time and the number of connections up to each bound."""
    minutes_at = [sum(minutes(open_us(span, at)) for span in spans) for at in BOUNDS_US]
    open_at = [sum(open_us(span, at) for span in spans) for at in BOUNDS_US]
    return {
        "minutes": [total - minutes_at[0] for total in minutes_at],
        "open_us": [total - open_at[0] for total in open_at],
        "started": [sum(start < at for start, _ in spans) for at in BOUNDS_US],
        "ended": [
            sum(max(start, end - 1) < at for start, end in spans) for at in BOUNDS_US
        ],
    }


def open_us(span, at):
    start, end = span
    return max(0, min(end, at) - start)


def connection(number, start, end):
    return ConnectionUsage(
        connection_id=f"e.i.{number}",
        month="2026-10",
        service="s",
        edge="edge-1",
        started_us=start,
        duration_us=end - start,
        bytes_from_client=0,
        bytes_to_client=0,
        final=True,
        clock_differs=False,
        last_reported_at=FIRST,
    )
