"""What an edge reports, read from the wire's texts into numbers; plain Python."""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from products.edge.contract import ContractError, UsageReport
from products.months import Month

# Printable and without a backslash, so that a value goes into COPY as it stands.
_WORD = re.compile(r"[!-\[\]-~]{1,128}")
_SHORT_WORD = re.compile(r"[!-\[\]-~]{1,64}")
# 285 years, or 9 petabytes: no connection gets there, and sums of many still fit 64 bits.
MAX_VALUE = 2**53
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MAX_YEAR = 2999


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
    """Ordinary HTTP of one service in one hour, as reported."""

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
    """Read a report's texts. Raises ContractError where one is not what it should be.

    An id must begin with the report's own `edge.boot.`; whose report it is, the caller knows.
    """
    _refuse_unless(_SHORT_WORD.fullmatch(report.boot), "report.boot", "not a word")
    months: set[str] = set()
    return UsageBatch(
        sent_at=_instant(report.sent_at, "report.sent_at"),
        connections=list(_connections(report, months)),
        delivery=list(_delivery(report)),
    )


def _connections(report: UsageReport, months: set[str]) -> Iterator[ConnectionFact]:
    # An old boot is reported under its own name, so every id carries its report's edge and boot.
    # Without this an edge could add to the connections of another.
    own = f"{report.edge}.{report.boot}."
    for index, record in enumerate(report.connections):
        if not record.id.startswith(own):
            _refuse(f"report.connections[{index}].id", "not of this edge and boot")
        if not (_WORD.fullmatch(record.id) and _SHORT_WORD.fullmatch(record.service)):
            _refuse(f"report.connections[{index}]", "id or service is not a word")
        if record.month not in months:
            _check_month(record.month, f"report.connections[{index}].month")
            months.add(record.month)
        if (
            max(record.duration_us, record.bytes_from_client, record.bytes_to_client)
            > MAX_VALUE
        ):
            _refuse(f"report.connections[{index}]", "a number is too large")
        started_at = _instant(
            record.started_at, f"report.connections[{index}].started_at"
        )
        yield ConnectionFact(
            record.id,
            record.month,
            record.service,
            (started_at - _EPOCH) // _MICROSECOND,
            record.duration_us,
            record.bytes_from_client,
            record.bytes_to_client,
            record.final,
        )


def _delivery(report: UsageReport) -> Iterator[DeliveryFact]:
    for index, record in enumerate(report.delivery):
        place = f"report.delivery[{index}]"
        _refuse_unless(
            _SHORT_WORD.fullmatch(record.service), place, "service is not a word"
        )
        hour = _instant(record.hour, f"{place}.hour")
        is_whole = hour == hour.replace(minute=0, second=0, microsecond=0)
        _refuse_unless(is_whole, f"{place}.hour", "not a whole hour")
        numbers = (record.requests, record.bytes_from_client, record.bytes_to_client)
        _refuse_unless(max(numbers) <= MAX_VALUE, place, "a number is too large")
        yield DeliveryFact(record.service, hour, *numbers)


def split_duplicates(
    facts: Sequence[ConnectionFact],
) -> Iterable[Sequence[ConnectionFact]]:
    """Part facts so that none holds a connection twice; merged in turn, they keep their order."""
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


def _check_month(text: str, place: str) -> None:
    try:
        month = Month.read(text)
    except ValueError as error:
        raise ContractError(f"{place}: not a month") from error
    _refuse_unless(str(month) == text, place, "not a month")
    _check_year(month.year, place)


def _instant(text: str, place: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise ContractError(f"{place}: not an instant") from error
    _refuse_unless(instant.tzinfo is not None, place, "without a time zone")
    _check_year(instant.year, place)
    return instant


def _check_year(year: int, place: str) -> None:
    _refuse_unless(_EPOCH.year < year <= _MAX_YEAR, place, "not of this age")


def _refuse_unless(holds: object, place: str, why: str) -> None:
    if not holds:
        _refuse(place, why)


def _refuse(place: str, why: str) -> None:
    raise ContractError(f"{place}: {why}")
