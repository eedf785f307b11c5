"""What open connections carried in months before: kept on disk as long as they live.

HAProxy counts a connection's bytes from its start, and the spool forgets a month a day
after the portal has had it.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from products.edge.journal import ConnectionEntry, instant
from products.edge.meter import Open
from products.edge.spool import write_lasting

_FILE = "earlier.json"  # in a boot's folder, and gone with it
# No account's clock is further behind UTC, so none has a month begin later.
_FURTHEST_BEHIND_US = 12 * 3_600_000_000


@dataclass(frozen=True, slots=True)
class Earlier:
    """The bytes of a connection in all months before one."""

    month: str
    from_client: int
    to_client: int


def save(folder: Path, connections: Iterable[Open]) -> None:
    """Write down what open connections carried before their month. Raises OSError."""
    document = {
        str(one.number): [one.month, one.earlier_from, one.earlier_to]
        for one in connections
        if one.earlier_from or one.earlier_to
    }
    write_lasting(folder / _FILE, json.dumps(document).encode())


def load(folder: Path) -> dict[int, Earlier] | None:
    """Read what was saved, by number; None where nothing is, or nothing readable."""
    try:
        document = json.loads((folder / _FILE).read_bytes())
        return {
            int(number): Earlier(str(month), int(from_client), int(to_client))
            for number, (month, from_client, to_client) in document.items()
        }
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def newest_and_earlier(
    months: Mapping[str, ConnectionEntry], saved: Earlier | None
) -> tuple[ConnectionEntry, Earlier]:
    """Give a connection's last reading, and its bytes before that reading's month.

    `months` are the readings that the spool still has, the last of each month.
    """
    saved = saved or Earlier("", 0, 0)
    newest = months[max(months)]
    if newest.month < saved.month:  # it turned, and nothing was read since
        newest = replace(
            newest, month=saved.month, bytes_from_client=0, bytes_to_client=0
        )
    between = [
        one for month, one in months.items() if saved.month <= month < newest.month
    ]
    return newest, Earlier(
        newest.month,
        saved.from_client + sum(one.bytes_from_client for one in between),
        saved.to_client + sum(one.bytes_to_client for one in between),
    )


def may_have_begun_before(entry: ConnectionEntry) -> bool:
    """Whether a connection may be older than the month it is in."""
    return instant(entry.started_us - _FURTHEST_BEHIND_US)[:7] < entry.month
