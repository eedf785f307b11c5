"""Readings: the cumulative values that the usage store keeps, and their usage records."""

from collections.abc import Sequence
from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

from products.edge.contract import ConnectionRecord, DeliveryRecord
from products.instants import instant_of, instant_us

_Count: TypeAlias = Annotated[int, Meta(ge=0)]
_Microseconds: TypeAlias = Annotated[
    int, Meta(ge=0, le=253_402_300_799_999_999)  # the end of the year 9999
]


class ConnectionReading(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """One connection in one month, so far.

    `started_us` is the wall clock in microseconds since 1970. The bytes are those of
    the client's side in that month; the duration runs from the start.
    """

    number: _Count
    service: str
    month: str
    started_us: _Microseconds
    duration_us: _Count
    bytes_from_client: _Count
    bytes_to_client: _Count
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


class DeliveryReading(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """The ordinary requests of one service in one hour, which the store adds up."""

    service: str
    hour: Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:00:00Z\Z")]
    requests: _Count
    bytes_from_client: _Count
    bytes_to_client: _Count

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
_DELIVERY_COLUMNS = len(DeliveryReading.__struct_fields__)


def read_values(values: Sequence[object]) -> Reading | None:
    """Make a reading of a row's values; None if they are not a reading's.

    SQLite has no type for a flag, nor for numbers of more than 64 bits: those are texts.
    A row of ordinary requests may be filled with None to the length of a connection's.
    """
    try:
        if len(values) == _DELIVERY_COLUMNS or values[-1] is None:
            return msgspec.convert(
                values[:_DELIVERY_COLUMNS], DeliveryReading, strict=False
            )
        return msgspec.convert(values, ConnectionReading, strict=False)
    except (msgspec.ValidationError, IndexError):
        return None
