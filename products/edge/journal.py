"""What stands in the spool's records, as JSON lists, and how they become reports.

    ["c", number, service, month, started_us, duration_us, from, to, final]
    ["d", service, hour, requests, from, to]
    ["t"]                                     a trial of a disk that had refused

`started_us` is the wall clock in microseconds since 1970; the bytes are the client's.
"""

import functools
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from products.edge.contract import ConnectionRecord, DeliveryRecord

TRIAL_PAYLOAD = b'["t"]'
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CONNECTION_SHAPE = (str, int, str, str, int, int, int, int, bool)
_DELIVERY_SHAPE = (str, str, str, int, int, int)
quoted = functools.lru_cache(maxsize=4096)(json.dumps)
"""Write a text as JSON; for texts that come again, such as a service's id."""


@dataclass(slots=True)  # not frozen: that makes one four times as slowly
class ConnectionEntry:
    """One cumulative reading of a connection in a month."""

    number: int
    service: str
    month: str
    started_us: int
    duration_us: int
    bytes_from_client: int
    bytes_to_client: int
    final: bool

    def to_payload(self) -> bytes:
        """Write the entry as a payload."""
        # By hand: every connection is written at its start, its end and each tick.
        return (
            f'["c",{self.number},{quoted(self.service)},{quoted(self.month)}'
            f",{self.started_us},{self.duration_us},{self.bytes_from_client}"
            f",{self.bytes_to_client},{'true' if self.final else 'false'}]"
        ).encode()

    def to_record(self, edge: str, boot: str) -> ConnectionRecord:
        """Give the entry as the portal takes it."""
        return ConnectionRecord(
            id=f"{edge}.{boot}.{self.number}",
            service=self.service,
            month=self.month,
            started_at=instant(self.started_us),
            duration_us=self.duration_us,
            bytes_from_client=self.bytes_from_client,
            bytes_to_client=self.bytes_to_client,
            final=self.final,
        )


@dataclass(frozen=True, slots=True)
class DeliveryEntry:
    """One cumulative reading of a service's ordinary HTTP in an hour."""

    service: str
    hour: str
    requests: int
    bytes_from_client: int
    bytes_to_client: int

    def to_payload(self) -> bytes:
        """Write the entry as a payload."""
        return json.dumps(
            ["d", self.service, self.hour, self.requests, self.bytes_from_client,
             self.bytes_to_client],
            separators=(",", ":"),
        ).encode()  # fmt: skip

    def to_record(self) -> DeliveryRecord:
        """Give the entry as the portal takes it."""
        return DeliveryRecord(
            self.service,
            self.hour,
            self.requests,
            self.bytes_from_client,
            self.bytes_to_client,
        )


def read_entry(payload: bytes) -> ConnectionEntry | DeliveryEntry | None:
    """Read a payload strictly; None when it is of no known form."""
    try:
        values = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    if not isinstance(values, list):
        return None
    shape = tuple(type(value) for value in values)
    is_sound = not any(type(value) is int and value < 0 for value in values)
    if is_sound and shape == _CONNECTION_SHAPE and values[0] == "c":
        return ConnectionEntry(*values[1:])
    if is_sound and shape == _DELIVERY_SHAPE and values[0] == "d":
        return DeliveryEntry(*values[1:])
    return None


def instant(microseconds: int) -> str:
    """Write an instant as ISO 8601 in UTC, with six decimals."""
    moment = _EPOCH + timedelta(microseconds=microseconds)
    return moment.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def hour_of(microseconds: int) -> str:
    """Write the hour an instant falls in."""
    moment = _EPOCH + timedelta(microseconds=microseconds)
    return moment.strftime("%Y-%m-%dT%H:00:00Z")
