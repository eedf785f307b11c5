"""Verifies a chain row by row: pure functions that report the first fault."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from accounts.audit.chain import GENESIS, commitment, event_hash
from accounts.audit.entry_body import COPIED, copies, timestamp


class BrokenChainError(Exception):
    """The first entry of a chain that is not valid, and why."""

    def __init__(self, sequence: int | None, reason: str) -> None:
        super().__init__(reason)
        self.sequence = sequence
        self.reason = reason


class ChainRow(NamedTuple):
    """A row to verify: the columns of COPIED in their order, then those of the chain."""

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
    """The end of a verified part of a chain; the next entry must link to it."""

    sequence: int = 0
    event_hash: str = GENESIS
    at: datetime | None = None


class PersonalValue(NamedTuple):
    """A personal value that is not erased."""

    sequence: int
    kind: str
    salt: str
    value: str


def verify_link(row: ChainRow, last: ChainPosition) -> ChainPosition:
    """Check that a row follows the last position, and return the new position.

    Raises BrokenChainError for a gap, a repeated number, a wrong link, and an earlier time.
    """
    if row.sequence > last.sequence + 1:
        raise BrokenChainError(last.sequence + 1, "the entry is missing")
    if row.sequence <= last.sequence:
        raise BrokenChainError(row.sequence, "the number is given twice or below 1")
    if row.prev_hash != last.event_hash:
        raise BrokenChainError(row.sequence, "it is not chained to the entry before it")
    if last.at is not None and row.at < last.at:
        raise BrokenChainError(row.sequence, "it is earlier than the entry before it")
    return ChainPosition(row.sequence, row.event_hash, row.at)


def verify_row(row: ChainRow) -> Mapping[str, object]:
    """Check one row by itself, and return its body.

    Raises BrokenChainError if the text does not match its hash, or a column differs from the text.
    """
    if event_hash(row.prev_hash, row.canonical) != row.event_hash:
        raise BrokenChainError(row.sequence, "its text does not give its hash")
    body = _parsed(row)
    stored = (row.account_id, row.sequence, timestamp(row.at), *row[3 : len(COPIED)])
    written = copies(body)
    if stored != written:
        columns = zip(COPIED, stored, written, strict=True)
        column = next(name for name, here, there in columns if here != there)
        raise BrokenChainError(
            row.sequence, f"its column {column} differs from its text"
        )
    return body


def verify_commitment(
    committed_values: Mapping[str, object], personal: PersonalValue
) -> None:
    """Check a personal value against the commitments of its entry.

    Raises BrokenChainError if it does not match.
    """
    try:
        committed = commitment(bytes.fromhex(personal.salt), personal.value)
    except ValueError:  # only an altered salt is not hexadecimal
        committed = ""
    if committed_values.get(personal.kind) != committed:
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
