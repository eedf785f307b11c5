"""Readings: the cumulative values that the usage store keeps, and their usage records."""

import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import TypeAlias

from products.edge.contract import ConnectionRecord, DeliveryRecord
from products.instants import instant_of, instant_us

_CONNECTION_TYPES = (int, str, str, int, int, int, int, bool)
_MAX_INSTANT_US = 253_402_300_799_999_999  # the end of the year 9999
_DELIVERY_TYPES = (str, str, int, int, int)


@dataclass(slots=True)  # not frozen: a frozen one takes four times as long to make
class ConnectionReading:
    """One connection in one month, so far.

    `started_us` is the wall clock in microseconds since 1970. The bytes are those of
    the client's side in that month; the duration runs from the start.
    """

    number: int
    service: str
    month: str
    started_us: int
    duration_us: int
    bytes_from_client: int
    bytes_to_client: int
    final: bool

    def to_record(self, edge: str, instance: str) -> ConnectionRecord:
        """Return the reading as the portal reads it."""
        return ConnectionRecord(
            id=f"{edge}.{instance}.{self.number}",
            service=self.service,
            month=self.month,
            started_at=instant_of(self.started_us),
            duration_us=self.duration_us,
            bytes_from_client=self.bytes_from_client,
            bytes_to_client=self.bytes_to_client,
            final=self.final,
        )


@dataclass(slots=True)
class DeliveryReading:
    """The ordinary requests of one service in one hour, since the instance started."""

    service: str
    hour: str
    requests: int
    bytes_from_client: int
    bytes_to_client: int

    def to_record(self) -> DeliveryRecord:
        """Return the reading as the portal reads it."""
        return DeliveryRecord(
            self.service,
            instant_of(instant_us(self.hour)),
            self.requests,
            self.bytes_from_client,
            self.bytes_to_client,
        )


Reading: TypeAlias = ConnectionReading | DeliveryReading


def read_values(values: Sequence[object]) -> Reading | None:
    """Make a reading of its values, strictly; None if they are not one's values."""
    types = tuple(type(value) for value in values)
    if any(type(value) is int and value < 0 for value in values):
        return None
    if types == _CONNECTION_TYPES and values[3] <= _MAX_INSTANT_US:  # type: ignore[operator] # an int
        return ConnectionReading(*values)  # type: ignore[arg-type] # looked at above
    if types == _DELIVERY_TYPES and instant_us(str(values[1])):
        return DeliveryReading(*values)  # type: ignore[arg-type] # likewise
    return None


def to_text(reading: Reading) -> str:
    """Write a reading as a JSON list of its values."""
    return json.dumps(astuple(reading))


def read_text(text: str) -> Reading | None:
    """Read what `to_text` wrote; None if it is anything else."""
    try:
        values = json.loads(text)
    except ValueError:
        return None
    return read_values(values) if isinstance(values, list) else None
