"""All boots in an edge's spool: what waits there, what is kept, and what makes room."""

import contextlib
import logging
import math
import shutil
from collections.abc import Callable
from pathlib import Path

from products.edge.backlog import Backlog

log = logging.getLogger(__name__)

_NAMES = "[!.]*"  # a hidden one is about to begin
_UNBORN_SECONDS = 60.0  # hidden for so long, it never will


class Boots:
    """The folders in a spool, one for each process that has written there."""

    def __init__(
        self,
        root: Path,
        *,
        keep_seconds: float,
        most_bytes: int,
        clock: Callable[[], float],
    ) -> None:
        """Keep acknowledged records for `keep_seconds`, by a `clock` of seconds since 1970.

        The oldest go earlier when all together take more than half of `most_bytes`.
        """
        self._root = root
        self._keep_seconds = keep_seconds
        self._most_bytes = most_bytes
        self._clock = clock
        self._known: dict[str, Backlog] = {}
        self.total_bytes = 0
        self.waiting_bytes = 0

    @property
    def has_room(self) -> bool:
        """Whether the spool is below its size."""
        return self.total_bytes < self._most_bytes

    def backlogs(self) -> list[Backlog]:
        """List what of each boot is still to be sent, the oldest boot first."""
        if not self._root.is_dir():
            return []
        folders = sorted(path for path in self._root.glob(_NAMES) if path.is_dir())
        self._known = {
            path.name: self._known.get(path.name) or Backlog(path) for path in folders
        }
        return list(self._known.values())

    def make_room(self) -> None:
        """Give up what has arrived, for what has not."""
        for backlog in self.backlogs():
            if not backlog.prune(math.inf):
                backlog.save()

    def tidy(self, *, is_writable: bool) -> None:
        """Compact what has arrived, and remove what need not be kept any longer.

        `is_writable` is false where the disk takes no readings: some wait elsewhere.
        """
        self._remove_unborn()
        backlogs = self.backlogs()
        for backlog in backlogs:
            backlog.save()
        if not is_writable or not all(backlog.is_saved for backlog in backlogs):
            log.error("The disk takes nothing; what has arrived is not kept a day.")
            self.make_room()
        for backlog in self.backlogs():
            backlog.compact()
        self._measure()
        before = self._kept_since()
        for backlog in self.backlogs():
            backlog.prune(before)
        self._measure()

    def _remove_unborn(self) -> None:
        """Remove what a process left that was killed as it made its folder."""
        for folder in self._root.glob(".*/"):
            with contextlib.suppress(OSError):
                if self._clock() - folder.stat().st_mtime > _UNBORN_SECONDS:
                    shutil.rmtree(folder)

    def _kept_since(self) -> float:
        """Say since when acknowledged segments stay: a day, or less where they crowd."""
        before = self._clock() - self._keep_seconds
        excess = self.total_bytes - self._most_bytes // 2
        found = [one for backlog in self.backlogs() for one in backlog.acknowledged()]
        for segment in sorted(found, key=lambda one: one.modified_ns):
            if excess <= 0:
                break
            excess -= segment.size
            before = max(before, segment.modified_ns / 1_000_000_000 + 1e-6)
        return before

    def _measure(self) -> None:
        self.total_bytes = sum(
            path.stat().st_size
            for path in self._root.glob(f"{_NAMES}/*")
            if path.is_file()
        )
        self.waiting_bytes = sum(backlog.waiting_bytes() for backlog in self.backlogs())
