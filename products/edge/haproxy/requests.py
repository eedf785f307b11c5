"""Ordinary requests that HAProxy has forwarded, from its tables and its lines together.

Both give less than the truth and never more: the table misses what came after the last
look at it, the lines miss what ended while no agent received them. The larger one counts.
"""

import json
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from products.edge.haproxy.maps import is_service
from products.edge.haproxy.master_socket import TableEntry
from products.edge.usage.meter import UsageMeter

Counts: TypeAlias = list[int]  # requests, bytes from the clients, bytes to them

_PARTS = ("lines", "table", "before", "counted")


class RequestTotals:
    """What each worker has forwarded for each service since it started."""

    def __init__(
        self, meter: UsageMeter, notes: Mapping[str, str], *, is_replacement: bool
    ) -> None:
        """Continue from the notes that an earlier agent kept with its readings.

        `is_replacement` says that those were lost: the first totals are then where
        counting starts, because they were counted before.
        """
        self._meter = meter
        self._known = {
            key: counts
            for key, text in notes.items()
            if (counts := _read_note(text)) is not None
        }
        self._must_skip = is_replacement and not notes
        self._changed: set[str] = set()

    def ended(self, worker: int, service: str, sent: int, received: int) -> None:
        """Count a request that has a line."""
        lines = self._of(worker, service)["lines"]
        for index, more in enumerate((1, sent, received)):
            lines[index] += more
        self._changed.add(_key(worker, service))

    def read(self, worker: int, entries: Iterable[TableEntry]) -> None:
        """Read a worker's table."""
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
            if now[0] < known["table"][0]:  # the entry had expired and started again
                known["before"] = _sum(known["before"], known["table"])
            if now != known["table"]:
                self._changed.add(_key(worker, entry.key))
            known["table"] = now

    def count_new(self, workers: Iterable[int]) -> None:
        """Count what is new, and forget workers that have exited."""
        notes: dict[str, str | None] = {}
        for key in self._changed:
            known = self._known[key]
            whole = _sum(known["before"], known["table"])
            counted = known["counted"]
            best = list(map(max, known["lines"], whole, counted))
            if not self._must_skip and best != counted:
                more = [new - old for new, old in zip(best, counted, strict=True)]
                self._meter.delivered(key.partition(" ")[2], *more)
            known["counted"] = best
            notes[key] = json.dumps(known)
        self._changed.clear()
        self._must_skip = False
        running = set(map(str, workers))
        for key in [one for one in self._known if one.partition(" ")[0] not in running]:
            del self._known[key]
            notes[key] = None
        if notes:
            self._meter.keep_notes(notes)

    def _of(self, worker: int, service: str) -> dict[str, Counts]:
        return self._known.setdefault(
            _key(worker, service), {part: [0, 0, 0] for part in _PARTS}
        )


def _key(worker: int, service: str) -> str:
    return f"{worker} {service}"


def _read_note(text: str) -> dict[str, Counts] | None:
    try:
        counts = json.loads(text)
        return {part: [int(number) for number in counts[part]] for part in _PARTS}
    except (ValueError, KeyError, TypeError):
        return None


def _sum(some: Counts, more: Counts) -> Counts:
    return [one + other for one, other in zip(some, more, strict=True)]
