"""The chart of the Usage page: daily bars, the sum so far, and the budget; pure.

Positions across are in per cent and positions down in pixels, so that text stays legible at any
width. The page has every figure in a table, too.
"""

from collections.abc import Sequence
from dataclasses import dataclass

SUM_HEIGHT = 190
BAR_HEIGHT = 96
_GUIDES = 3
_BAR_SHARE = 0.7
_LABEL_EVERY = 7
_MAX_STEPS = 27


@dataclass(frozen=True, slots=True)
class ChartDay:
    """A day: its minutes, whether they are complete, and the sum so far in any whole unit.

    `total` is None for days that are still to come or of which nothing is known.
    """

    label: str
    minutes: int
    is_complete: bool
    is_known: bool
    is_future: bool
    total: int | None


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of a day; `kind` is its class: bar, bar part or gap."""

    x: str
    y: str
    width: str
    height: str
    kind: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A text at a position."""

    at: str
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """The shapes of the chart. Lines are points within one unit a day across."""

    days: int
    bars: tuple[Bar, ...]
    line: str
    guides: tuple[Mark, ...]
    labels: tuple[Mark, ...]
    budget_y: str
    end_x: str
    end_y: str


def usage_chart(
    days: Sequence[ChartDay], *, budget: int | None = None, unit: int = 1
) -> Chart:
    """Return the shapes for the days of a month; sums and budget have one unit.

    `unit` is how many of it a guide's number counts: 1,000,000 for micro-units.
    """
    totals = [day.total for day in days if day.total is not None]
    least = _GUIDES * max(unit // 100, 1)  # guides of an empty chart: cents, or minutes
    top = _round_up(max([*totals, budget or 0, least]))
    most = max([day.minutes for day in days] + [1])
    points = [(0.0, float(SUM_HEIGHT))] + [
        (index + 1.0, _down(total, top)) for index, total in enumerate(totals)
    ]
    end_x, end_y = points[-1]
    return Chart(
        days=len(days),
        bars=tuple(
            _bar(index, day, len(days), most)
            for index, day in enumerate(days)
            if not day.is_future
        ),
        line=" ".join(f"{x:g},{y:.1f}" for x, y in points) if totals else "",
        guides=tuple(
            Mark(f"{_down(top * step // _GUIDES, top):.1f}", _short(top * step // _GUIDES, unit))
            for step in range(1, _GUIDES)
        ),
        labels=tuple(
            Mark(_percent((index + 0.5) / len(days)), day.label)
            for index, day in enumerate(days)
            if index % _LABEL_EVERY == 0
        ),
        budget_y="" if budget is None else f"{_down(budget, top):.1f}",
        end_x=_percent(end_x / len(days)) if totals else "",
        end_y=f"{end_y:.1f}",
    )  # fmt: skip


def _bar(index: int, day: ChartDay, days: int, most: int) -> Bar:
    width = _BAR_SHARE / days
    x = _percent((index + (1 - _BAR_SHARE) / 2) / days)
    if not day.is_known:
        return Bar(x, "0", _percent(width), str(BAR_HEIGHT), "gap")
    height = BAR_HEIGHT * day.minutes / most
    kind = "bar" if day.is_complete else "bar part"
    return Bar(x, f"{BAR_HEIGHT - height:.1f}", _percent(width), f"{height:.1f}", kind)


def _down(value: int, top: int) -> float:
    return SUM_HEIGHT * (1 - value / top)


def _percent(share: float) -> str:
    return f"{share * 100:.2f}%"


def _round_up(value: int) -> int:
    """Return the next number with round thirds: 3 to 27 times a power of ten, in steps of 3."""
    power = 1
    while value > _MAX_STEPS * power:
        power *= 10
    return -(-value // (_GUIDES * power)) * _GUIDES * power


def _short(value: int, unit: int) -> str:
    whole, rest = divmod(value, unit)
    if not rest:
        return f"{whole:,}"
    places = f"{rest:0{len(str(unit)) - 1}d}".rstrip("0")
    return f"{whole:,}.{places}"
