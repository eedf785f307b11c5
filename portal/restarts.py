"""When a program that died is started again, and when it is given up."""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

LONGEST_DELAY_SECONDS: Final = 30.0
SETTLED_AFTER_SECONDS: Final = 60.0
GIVE_UP_AFTER_DEATHS: Final = 5
GIVE_UP_WITHIN_SECONDS: Final = 60.0


@dataclass(slots=True)
class Restarts:
    """The deaths of one program; all times are seconds of one monotonic clock."""

    first_delay_seconds: float = 1.0
    in_a_row: int = 0
    deaths: deque[float] = field(
        default_factory=lambda: deque(maxlen=GIVE_UP_AFTER_DEATHS)
    )

    def after_death(self, *, started_at: float, died_at: float) -> float | None:
        """Return the seconds to wait before the next start, or None to give up.

        The delay doubles from the first one up to thirty seconds with every death in a row; a
        program that lived for a minute begins anew. Five deaths within a minute are the end.
        """
        if died_at - started_at >= SETTLED_AFTER_SECONDS:
            self.in_a_row = 0
        self.in_a_row += 1
        self.deaths.append(died_at)
        enough = len(self.deaths) == GIVE_UP_AFTER_DEATHS
        if enough and died_at - self.deaths[0] <= GIVE_UP_WITHIN_SECONDS:
            return None
        doublings = min(
            self.in_a_row - 1, 10
        )  # beyond ten the longest delay holds anyway
        return min(self.first_delay_seconds * 2.0**doublings, LONGEST_DELAY_SECONDS)
