"""The usage records of a report, as the rows that metering merges; plain Python."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from products.edge.contract import ContractError, UsageReport
from products.instants import microseconds_of


class ConnectionFact(NamedTuple):
    """One connection in one month, as reported; microseconds and bytes."""

    connection_id: str
    month: str
    service: str
    started_us: int
    duration_us: int
    bytes_from_client: int
    bytes_to_client: int
    final: bool


class DeliveryFact(NamedTuple):
    """The ordinary requests of one service in one hour, as reported."""

    service: str
    hour: datetime
    requests: int
    bytes_from_client: int
    bytes_to_client: int


class UsageBatch(NamedTuple):
    """A whole report."""

    sent_at: datetime
    connections: list[ConnectionFact]
    delivery: list[DeliveryFact]


def read_batch(report: UsageReport) -> UsageBatch:
    """Return a report's records as rows.

    Raises ContractError if a connection's id does not start with the `edge.instance.` of
    its report: an edge could otherwise add to the connections of another.
    """
    return UsageBatch(
        sent_at=report.sent_at,
        connections=list(_connections(report)),
        delivery=[
            DeliveryFact(
                record.service,
                record.hour,
                record.requests,
                record.bytes_from_client,
                record.bytes_to_client,
            )
            for record in report.delivery
        ],
    )


def _connections(report: UsageReport) -> Iterator[ConnectionFact]:
    prefix = f"{report.edge}.{report.instance}."
    for index, record in enumerate(report.connections):
        if not record.id.startswith(prefix):
            raise ContractError(
                f"connections[{index}].id: not of this edge and instance"
            )
        yield ConnectionFact(
            record.id,
            record.month,
            record.service,
            microseconds_of(record.started_at),
            record.duration_us,
            record.bytes_from_client,
            record.bytes_to_client,
            record.final,
        )


def split_duplicates(
    facts: Sequence[ConnectionFact],
) -> Iterable[Sequence[ConnectionFact]]:
    """Split facts into parts that hold each connection once; merged in turn, they keep their order."""
    seen = {fact.connection_id for fact in facts}
    if len(seen) == len(facts):
        return [facts] if facts else []
    parts: list[list[ConnectionFact]] = []
    turns: dict[str, int] = {}
    for fact in facts:
        turn = turns.get(fact.connection_id, 0)
        turns[fact.connection_id] = turn + 1
        if turn == len(parts):
            parts.append([])
        parts[turn].append(fact)
    return parts
