"""How long to wait before a program that has exited is started again."""

from dataclasses import dataclass
from typing import Final

MAX_DELAY_SECONDS: Final = 30.0
RESET_AFTER_SECONDS: Final = 60.0


@dataclass(slots=True)
class RestartBackoff:
    """The delay between restarts of one program; it doubles while the program keeps exiting."""

    first_delay_seconds: float
    _next_delay_seconds: float = 0.0

    def delay_after(self, run_seconds: float) -> float:
        """Return the seconds to wait after a run of `run_seconds`.

        The first delay counts again after a run of at least RESET_AFTER_SECONDS.
        """
        if run_seconds >= RESET_AFTER_SECONDS or not self._next_delay_seconds:
            self._next_delay_seconds = self.first_delay_seconds
        delay = self._next_delay_seconds
        self._next_delay_seconds = min(2 * delay, MAX_DELAY_SECONDS)
        return delay
