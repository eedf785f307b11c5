"""Whose books are open: those of the HAProxy that runs, or for a while nobody's."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from products.edge.contract import Route
from products.edge.haproxy.books import Books
from products.edge.spool import SpoolUnwritable

# Lines kept for books that are not open, some 100 MB: what the ring may hold for an agent
# that was away.
MOST_EARLY = 50_000


class Bookkeeper:
    """Opens the books of one HAProxy after another, and keeps lines in between."""

    def __init__(
        self,
        folder: Path,
        spools: Path,
        *,
        segment_bytes: int,
        route_of: Callable[[str], Route | None],
    ) -> None:
        """Have none open yet."""
        self._folder = folder
        self._spools = spools
        self._segment_bytes = segment_bytes
        self._route_of = route_of
        self._identity = ""
        self._early: list[dict[str, Any]] = []
        self.books: Books | None = None
        self.is_refused = False  # by the disk, when they were to be opened
        self.dropped = 0  # lines that found no room to wait

    @property
    def open_count(self) -> int:
        """How many connections are open, as far as books are."""
        return len(self.books.meter.open) if self.books else 0

    @property
    def unheard(self) -> int:
        """How many lines were lost: of no room to wait for books, or never heard."""
        return self.dropped + (self.books.ledger.unheard if self.books else 0)

    @property
    def is_writable(self) -> bool:
        """Whether the disk takes what is to be counted, as far as anybody knows."""
        books = self.books
        return not self.is_refused and (books is None or books.spool.is_writable)

    def may_be_written(self, boot: str) -> bool:
        """Whether something may still be written of a boot."""
        books = self.books
        return books is None or boot == books.boot

    async def sync(self) -> None:
        """Make lasting what is written. Raises OSError."""
        if self.books is not None:
            await asyncio.to_thread(self.books.spool.sync)

    def keeps(self, identity: str) -> bool:
        """Whether the books of this HAProxy are open."""
        return self.books is not None and self._identity == identity

    async def open(self, identity: str) -> None:
        """Open the books of a HAProxy, instead of those of one that has ended.

        Raises OSError, SpoolUnwritable; then none are open and this can be tried again.
        """
        self.close(is_over=True)
        try:
            # In a thread: what an agent before has written may be very much.
            self.books = await asyncio.to_thread(
                Books,
                self._folder,
                self._spools,
                identity=identity,
                segment_bytes=self._segment_bytes,
                route_of=self._route_of,
            )
        except (OSError, SpoolUnwritable):
            self.is_refused = True
            raise
        self.is_refused = False
        self._identity = identity
        early, self._early = self._early, []
        for line in early:
            try:
                self.take(line)
            except (ValueError, KeyError, TypeError):  # one bad line, not all after it
                self.dropped += 1

    def take(self, line: dict[str, Any]) -> None:
        """Count what began or ended, as soon as there are books to do it in.

        Until then only lines of WebSockets wait: ordinary HTTP is known to the tables.
        """
        if self.books is not None:
            if line["ev"] == "accept":
                self.books.accepted(line)
            elif line["ev"] == "end":
                self.books.ended(line)
        elif line["ev"] not in {"accept", "end"} or line.get("kind") == "web":
            return
        elif len(self._early) < MOST_EARLY:
            self._early.append(line)
        else:
            self.dropped += 1

    def close(self, *, is_over: bool) -> str:
        """Close what is open; `is_over` says that HAProxy has ended. Gives the boot."""
        books, self.books = self.books, None
        if books is None:
            return ""
        books.close(is_over=is_over)
        return books.boot
