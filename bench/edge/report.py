"""The report: medians, the ratio to HAProxy in the same run, and whether it is good enough."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

Figures = dict[tuple[str, str], list[float]]  # by engine and measure, one per round


@dataclass(frozen=True, slots=True)
class Goal:
    """A required bound and a good one, for the ratio to HAProxy or for the figure itself."""

    required: float
    good: float
    is_ratio: bool = True

    def mark(self, figure: float) -> str:
        """Return whether a figure meets the goal: ratios must be high, others low."""
        better = (
            (lambda bound: figure >= bound)
            if self.is_ratio
            else (lambda bound: figure < bound)
        )
        if better(self.good):
            return "good"
        return (
            "ok"
            if better(self.required)
            else "TOO LOW"
            if self.is_ratio
            else "TOO HIGH"
        )


GOALS = {
    "handshakes/s": Goal(0.35, 0.55),
    "echo/s, 64": Goal(0.70, 0.85),
    "echo/s, 256": Goal(0.70, 0.85),
    "bulk MB/s": Goal(0.70, 0.95),
    "KiB an idle connection": Goal(12, 6, is_ratio=False),
    "added p99 ms": Goal(1.0, 0.3, is_ratio=False),
}


def lines_of(
    figures: Figures, engines: Sequence[str], measures: Sequence[str]
) -> Iterator[str]:
    """Yield the lines of the report."""
    medians = {key: median(values) for key, values in figures.items()}
    yield "medians; engine on one core, origin and load generator on another"
    yield f"{'':24}" + "".join(f"{name:>12}" for name in engines) + "    embedded is"
    for name, goal in GOALS.items():
        row = [medians[engine, name] for engine in engines]
        ratio = row[0] / row[1] if row[1] else 0.0
        mark = goal.mark(ratio if goal.is_ratio else row[0])
        compared = f"{ratio:.2f} of HAProxy, " if goal.is_ratio else ""
        bounds = f"required {goal.required:g}, good {goal.good:g}"
        yield _line(name, row) + f"    {compared}{mark} ({bounds})"
    yield _line("added p50 ms", [medians[each, "added p50 ms"] for each in engines])
    yield "CPU time of the engine per operation, in µs"
    for measure in measures:
        row = [medians[engine, f"CPU µs: {measure}"] for engine in engines]
        name = measure.replace("/s", "").replace("bulk MB", "MB of bulk")
        yield (
            _line(f"  {name}", row)
            + f"    {row[1] / row[0]:.2f} of HAProxy by CPU time"
        )
    yield (
        f"direct to the origin: p50 {medians['direct', 'p50 ms']:.3f} ms,"
        f" p99 {medians['direct', 'p99 ms']:.3f} ms at 2,000 messages per second"
    )


def _line(name: str, row: Sequence[float]) -> str:
    return f"{name:24}" + "".join(map(_shown, row))


def _shown(figure: float) -> str:
    return f"{figure:12,.0f}" if abs(figure) >= 100 else f"{figure:12.2f}"
