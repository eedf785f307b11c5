"""Instants as microseconds and as texts."""

from datetime import UTC, datetime

import pytest

from products.instants import (
    instant_of,
    instant_us,
    iso_hour,
    iso_instant,
    microseconds_of,
)

DECEMBER_US = 1_796_083_200_000_000


@pytest.mark.parametrize(
    "text, microseconds",
    [
        ("1970-01-01T00:00:01Z", 1_000_000),
        ("2026-12-01T00:00:00.000001Z", DECEMBER_US + 1),
        ("2026-12-01T01:00:00+01:00", DECEMBER_US),
        ("2026-12-01T00:00:00", 0),
        ("soon", 0),
        ("", 0),
    ],
)
def test_a_text_is_read_as_microseconds(text, microseconds):
    assert instant_us(text) == microseconds


def test_an_instant_is_written_in_utc():
    assert iso_instant(DECEMBER_US + 1) == "2026-12-01T00:00:00.000001Z"
    assert iso_hour(DECEMBER_US - 1) == "2026-11-30T23:00:00Z"


def test_an_instant_and_its_microseconds_say_the_same():
    december = datetime(2026, 12, 1, tzinfo=UTC)

    assert microseconds_of(december) == DECEMBER_US
    assert instant_of(DECEMBER_US) == december
