"""The chart's shapes follow from the days of a month."""

import pytest

from products.web.usage_chart import ChartDay, usage_chart


def day(minutes=0, *, total=0, **states):
    given = {"is_complete": True, "is_known": True, "is_future": False} | states
    return ChartDay(label="1", minutes=minutes, total=total, **given)


def test_bars_are_as_high_as_their_share_of_the_busiest_day():
    chart = usage_chart([day(50, total=50), day(100, total=150)])

    assert [bar.height for bar in chart.bars] == ["48.0", "96.0"]
    assert [bar.kind for bar in chart.bars] == ["bar", "bar"]


def test_an_unknown_day_is_hatched_and_ends_the_line():
    unknown = day(5, total=None, is_known=False, is_complete=False)

    chart = usage_chart([day(50, total=50), unknown])

    assert [bar.kind for bar in chart.bars] == ["bar", "gap"]
    assert len(chart.line.split()) == 2


def test_a_day_that_is_not_wholly_counted_is_paler_and_a_future_one_has_no_bar():
    part = day(1, total=1, is_complete=False)
    future = day(total=None, is_known=False, is_complete=False, is_future=True)

    chart = usage_chart([part, future])

    assert [bar.kind for bar in chart.bars] == ["bar part"]
    assert chart.end_x == "50.00%"


@pytest.mark.parametrize(
    ("total", "unit", "guides"),
    [
        (97_420_000, 1_000_000, ["40", "80"]),
        (20_000, 1_000_000, ["0.01", "0.02"]),
        (0, 1_000_000, ["0.01", "0.02"]),
        (1_000, 1, ["400", "800"]),
    ],
)
def test_guides_are_round_numbers(total, unit, guides):
    chart = usage_chart([day(1, total=total)], unit=unit)

    assert [guide.text for guide in chart.guides] == guides


def test_the_budget_is_part_of_the_scale():
    chart = usage_chart([day(1, total=100)], budget=300)

    assert chart.budget_y == "0.0"
    assert chart.end_y == "126.7"


def test_a_month_without_usage_has_bars_without_height():
    chart = usage_chart([day(), day()])

    assert chart.end_y == "190.0"
    assert [bar.height for bar in chart.bars] == ["0.0", "0.0"]
