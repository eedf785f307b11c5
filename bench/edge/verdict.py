"""What is wanted of the embedded engine, beside HAProxy in the same run."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wanted:
    """A bound that must be kept and one that is good; of a ratio or of the figure."""

    must: float
    good: float
    is_ratio: bool = True

    def mark(self, figure: float) -> str:
        """Say how a figure stands: ratios want to be high, all else low."""
        better = (
            (lambda bound: figure >= bound)
            if self.is_ratio
            else (lambda bound: figure < bound)
        )
        if better(self.good):
            return "good"
        return "ok" if better(self.must) else "TOO LOW" if self.is_ratio else "TOO HIGH"


WANTED = {
    "handshakes/s": Wanted(0.35, 0.55),
    "echo/s, 64": Wanted(0.70, 0.85),
    "echo/s, 256": Wanted(0.70, 0.85),
    "bulk MB/s": Wanted(0.70, 0.95),
    "KiB an idle connection": Wanted(12, 6, is_ratio=False),
    "added p99 ms": Wanted(1.0, 0.3, is_ratio=False),
}
