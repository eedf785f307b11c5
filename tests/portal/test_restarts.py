"""The delays between restarts, and the point where a program is given up."""

import pytest

from portal.restarts import Restarts


def test_the_delay_doubles_with_every_death_in_a_row_up_to_thirty_seconds():
    restarts = Restarts()

    delays = [
        restarts.after_death(started_at=when - 20, died_at=when)
        for when in (100.0, 200.0, 300.0, 400.0, 500.0, 600.0, 700.0)
    ]

    assert delays == [1, 2, 4, 8, 16, 30, 30]


def test_a_program_that_lived_for_a_minute_begins_anew():
    restarts = Restarts()
    restarts.after_death(started_at=0, died_at=1)
    restarts.after_death(started_at=2, died_at=3)

    delay = restarts.after_death(started_at=5, died_at=65)

    assert delay == 1


@pytest.mark.parametrize(
    ("fifth_death_at", "expected"),
    [
        pytest.param(62.0, None, id="within a minute of the first: given up"),
        pytest.param(62.5, 16, id="later: tried again"),
    ],
)
def test_five_deaths_within_a_minute_are_the_end(fifth_death_at, expected):
    restarts = Restarts()
    for died_at in (2.0, 4.0, 7.0, 12.0):
        restarts.after_death(started_at=died_at - 1, died_at=died_at)

    delay = restarts.after_death(started_at=fifth_death_at - 1, died_at=fifth_death_at)

    assert delay == expected
