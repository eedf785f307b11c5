"""Ordinary HTTP that HAProxy has carried, out of its tables and its lines together.

Both say less than the truth and never more: the table misses what came after the last
look at it, the lines miss what ended while nobody listened. The larger one counts.
"""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeAlias

from products.edge.haproxy.master_socket import TableEntry
from products.edge.haproxy.naming import is_service
from products.edge.spool import write_lasting

Counts: TypeAlias = list[int]  # requests, bytes from the clients, bytes to them

_PARTS = ("lines", "table", "before", "counted")


class Delivery:
    """What each worker has delivered for each service, since it began."""

    def __init__(
        self, path: Path, delivered: Callable[[str, int, int, int], None]
    ) -> None:
        """Keep what was counted in a file; `delivered` takes what is new of a service."""
        self._path = path
        self._delivered = delivered
        self._known: dict[str, dict[str, Counts]] = {}
        self._changed = False

    def load(self) -> None:
        """Go on from where an agent before has stopped; a damaged file counts as none."""
        try:
            document = json.loads(self._path.read_bytes())
            self._known = {
                str(key): {part: [int(n) for n in parts[part]] for part in _PARTS}
                for key, parts in document.items()
            }
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            self._known = {}

    def ended(self, worker: int, service: str, sent: int, received: int) -> None:
        """Count a request that a line has told of."""
        lines = self._of(worker, service)["lines"]
        for index, more in enumerate((1, sent, received)):
            lines[index] += more
        self._changed = True

    def read(self, worker: int, entries: Iterable[TableEntry]) -> None:
        """Take a worker's table in."""
        for entry in entries:
            values = entry.values
            now = [
                values.get("gpc0", 0),
                values.get("bytes_in_cnt", 0),
                values.get("bytes_out_cnt", 0),
            ]
            if not is_service(entry.key):
                continue
            known = self._of(worker, entry.key)
            if now[0] < known["table"][0]:  # the entry had expired and began anew
                known["before"] = _sum(known["before"], known["table"])
            self._changed = self._changed or now != known["table"]
            known["table"] = now

    def settle(self, workers: Iterable[int]) -> None:
        """Hand on what is new, and forget workers that are gone. Raises OSError."""
        if not self._changed:
            return
        self._changed = False
        moved: list[tuple[str, Counts]] = []
        for key, known in self._known.items():
            whole = _sum(known["before"], known["table"])
            best = [
                max(values)
                for values in zip(known["lines"], whole, known["counted"], strict=True)
            ]
            more = [new - old for new, old in zip(best, known["counted"], strict=True)]
            known["counted"] = best
            if any(more):
                moved.append((key.partition(" ")[2], more))
        alive = set(map(str, workers))
        kept = {
            key: known
            for key, known in self._known.items()
            if key.partition(" ")[0] in alive
        }
        # Kept first: a crash between the two loses a tick, and counts nothing twice.
        write_lasting(self._path, json.dumps(kept).encode())
        for service, more in moved:
            self._delivered(service, *more)

    def _of(self, worker: int, service: str) -> dict[str, Counts]:
        return self._known.setdefault(
            f"{worker} {service}", {part: [0, 0, 0] for part in _PARTS}
        )


def _sum(some: Counts, more: Counts) -> Counts:
    return [one + other for one, other in zip(some, more, strict=True)]
