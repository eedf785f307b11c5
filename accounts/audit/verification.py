"""What makes a chain sound, checked row by row: pure functions that name the first fault."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from accounts.audit.chain import GENESIS, commitment, event_hash
from accounts.audit.entry_body import COPIED, copies, timestamp


class BrokenChainError(Exception):
    """Says which event of a chain is the first that is not as it was written, and why."""

    def __init__(self, sequence: int | None, reason: str) -> None:
        super().__init__(reason)
        self.sequence = sequence
        self.reason = reason


class ChainRow(NamedTuple):
    """A row as it is checked: the columns of COPIED in their order, then the chain's own."""

    account_id: str
    sequence: int
    at: datetime
    action: str
    actor_type: str
    actor_id: str
    actor_label: str
    target_type: str
    target_id: str
    target_label: str
    product: str
    service_id: str
    outcome: str
    interface: str
    request_id: str
    canonical: str
    prev_hash: str
    event_hash: str


class ChainPosition(NamedTuple):
    """Where a chain stands after some event; the next must fasten here."""

    sequence: int = 0
    event_hash: str = GENESIS
    at: datetime | None = None


class PersonalValue(NamedTuple):
    """A personal value that is still held beside its event."""

    sequence: int
    kind: str
    salt: str
    value: str


def verify_link(row: ChainRow, last: ChainPosition) -> ChainPosition:
    """Check that a row follows the last link, and return the link it makes.

    Raises BrokenChainError for a gap, a number given twice, a wrong link, and time running backwards.
    """
    if row.sequence > last.sequence + 1:
        raise BrokenChainError(last.sequence + 1, "the event is missing")
    if row.sequence <= last.sequence:
        raise BrokenChainError(row.sequence, "the number is given twice or below 1")
    if row.prev_hash != last.event_hash:
        raise BrokenChainError(row.sequence, "it is not chained to the event before it")
    if last.at is not None and row.at < last.at:
        raise BrokenChainError(row.sequence, "it is earlier than the event before it")
    return ChainPosition(row.sequence, row.event_hash, row.at)


def verify_row(row: ChainRow) -> Mapping[str, object]:
    """Check a row within itself and return its body.

    Raises BrokenChainError where the text does not give its hash, or a column differs from the text.
    """
    if event_hash(row.prev_hash, row.canonical) != row.event_hash:
        raise BrokenChainError(row.sequence, "its text does not give its hash")
    body = _parsed(row)
    held = (row.account_id, row.sequence, timestamp(row.at), *row[3 : len(COPIED)])
    written = copies(body)
    if held != written:
        columns = zip(COPIED, held, written, strict=True)
        column = next(name for name, here, there in columns if here != there)
        raise BrokenChainError(
            row.sequence, f"its column {column} differs from its text"
        )
    return body


def verify_commitment(promised: Mapping[str, object], personal: PersonalValue) -> None:
    """Check a personal value against the commitments of its event.

    Raises BrokenChainError where they do not agree.
    """
    try:
        committed = commitment(bytes.fromhex(personal.salt), personal.value)
    except ValueError:  # a salt that is not hexadecimal was not written by the recorder
        committed = ""
    if promised.get(personal.kind) != committed:
        reason = f"its personal value {personal.kind} is not the one committed to"
        raise BrokenChainError(personal.sequence, reason)


def _parsed(row: ChainRow) -> Mapping[str, object]:
    try:
        body = json.loads(row.canonical)
    except json.JSONDecodeError as error:
        raise BrokenChainError(row.sequence, "its text is not JSON") from error
    if not isinstance(body, dict):
        raise BrokenChainError(row.sequence, "its text is not an object")
    return body
