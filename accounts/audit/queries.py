"""Reads a trail page by page, and verifies a chain from end to end.

Checks no permission: the caller has checked that the actor may read the account's trail.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Any

from django.db import connection
from django.db.models import Count, Exists, Max, OuterRef, Q, QuerySet
from django.db.models.functions import TruncDate

from accounts.audit import row_checks, triggers
from accounts.audit.entry_body import commitments, wrong_clock
from accounts.audit.models import (
    AuditEvent,
    ChainHead,
    PersonalData,
    RepeatedRefusal,
    SearchTerm,
)
from accounts.audit.search_terms import fold
from accounts.audit.verification import (
    BrokenChainError,
    ChainPosition,
    ChainRow,
    PersonalValue,
    verify_commitment,
    verify_link,
    verify_row,
)
from accounts.audit.vocabulary import DESCRIPTIONS, Event

# Rows of a query while verifying: a few megabytes of memory, few round trips.
VERIFIED_AT_ONCE = 2000
# An entry's number as a person or the API writes it; more digits are not in the database.
_NUMBER = re.compile(r"#?0*([0-9]{1,18})")


@dataclass(frozen=True, slots=True)
class Filters:
    """Filters of a trail; "" and None match everything. `since` is inclusive, `until` exclusive.

    `text` is a part of a name or of an event in words, the start of a product's name, or a whole
    event, id, request id, IP address or email address. An `actor_id` does not match failed
    sign-ins, of which the actor is unknown.
    """

    text: str = ""
    action: str = ""
    actor_type: str = ""
    actor_id: str = ""
    interface: str = ""
    target_type: str = ""
    target_id: str = ""
    product: str = ""
    service_id: str = ""
    outcome: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Facet:
    """How many entries of an account have the same event, actor, product and interface."""

    action: str
    actor_type: str
    actor_id: str
    actor_label: str
    product: str
    interface: str
    count: int


@dataclass(frozen=True, slots=True)
class VerificationResult:
    """Whether a chain is valid; `first_invalid` is the first number that is not."""

    account_id: str
    is_valid: bool
    checked: int
    first_invalid: int | None = None
    reason: str = ""
    wrong_clocks: int = 0  # entries written by a clock that was behind; they are valid


def trail_of(account_id: str, filters: Filters = Filters()) -> "QuerySet[AuditEvent]":
    """Return the entries of an account's trail, newest first."""
    events = AuditEvent.objects.filter(account_id=account_id)
    return narrowed(events, filters).order_by("-sequence")


def narrowed(
    events: "QuerySet[AuditEvent]", filters: Filters
) -> "QuerySet[AuditEvent]":
    """Return those of some entries that all filters match."""
    for field in (
        "action",
        "actor_type",
        "actor_id",
        "interface",
        "target_type",
        "product",
        "service_id",
        "outcome",
    ):
        value = getattr(filters, field)
        if value:
            events = events.filter(**{field: value})
    if filters.actor_id:
        events = events.exclude(action=Event.USER_LOGIN_FAILED)
    if filters.text:
        events = events.filter(_text_matches(filters.text))
    if filters.target_id:
        events = events.filter(target_matches(filters.target_id))
    if filters.since is not None:
        events = events.filter(at__gte=filters.since)
    if filters.until is not None:
        events = events.filter(at__lt=filters.until)
    return events


def facets_of(account_id: str) -> list[Facet]:
    """Return what an account's entries can be filtered by, with counts; one query over all of them."""
    names = ("action", "actor_type", "actor_id", "actor_label", "product", "interface")
    rows = AuditEvent.objects.filter(account_id=account_id).order_by().values(*names)
    counted = rows.annotate(count=Count("pk"))
    return [Facet(*row) for row in counted.values_list(*names, "count")]


def counts_by_day(
    account_id: str, filters: Filters, days: Collection[date], zone: tzinfo
) -> dict[date, int]:
    """Return how many matching entries each of some days of a time zone has; one query."""
    if not days:
        return {}
    shown = trail_of(account_id, filters).filter(
        at__gte=datetime.combine(min(days), time(), zone),
        at__lt=datetime.combine(max(days) + timedelta(days=1), time(), zone),
    )
    by_day = shown.order_by().annotate(day=TruncDate("at", tzinfo=zone)).values("day")
    return dict(by_day.annotate(count=Count("pk")).values_list("day", "count"))


def event_of(account_id: str, sequence: int) -> AuditEvent | None:
    """Return one event of an account's trail, or None."""
    return AuditEvent.objects.filter(account_id=account_id, sequence=sequence).first()


def entries_with_id(account_id: str, text: str) -> "QuerySet[AuditEvent]":
    """Return the entries of an account with a number, such as #12 or 12, or with a request ID."""
    matches = Q(request_id=text)
    if number := _NUMBER.fullmatch(text):
        matches |= Q(sequence=int(number[1]))
    return AuditEvent.objects.filter(matches, account_id=account_id).order_by(
        "sequence"
    )


def entries_of_request(account_id: str, request_id: str) -> list[AuditEvent]:
    """Return the entries that a request wrote into an account's trail, in order."""
    if not request_id:
        return []
    events = AuditEvent.objects.filter(account_id=account_id, request_id=request_id)
    return list(events.order_by("sequence"))


def personal_data_of(event: AuditEvent) -> Mapping[str, str]:
    """Return the event's personal data that is not erased, by kind (ip, email, user_agent)."""
    held = PersonalData.objects.filter(
        account_id=event.account_id, sequence=event.sequence
    )
    return dict(held.order_by("kind").values_list("kind", "value"))


def personal_data_in(events: Sequence[AuditEvent]) -> dict[int, dict[str, str]]:
    """Return the personal data of one account's entries, by sequence and kind; one query."""
    found: dict[int, dict[str, str]] = {}
    if events:
        held = PersonalData.objects.filter(
            account_id=events[0].account_id,
            sequence__in=[event.sequence for event in events],
        )
        for sequence, kind, value in held.values_list("sequence", "kind", "value"):
            found.setdefault(sequence, {})[kind] = value
    return found


def repeats_of(event: AuditEvent) -> RepeatedRefusal | None:
    """Return how often the refusal of an entry was repeated; None if it was not."""
    return RepeatedRefusal.objects.filter(
        account_id=event.account_id, sequence=event.sequence
    ).first()


def row_fault(event: AuditEvent) -> str:
    """Return what is wrong with one row by itself; "" if it is valid."""
    try:
        verify_row(ChainRow(*(getattr(event, column) for column in ChainRow._fields)))
    except BrokenChainError as fault:
        return fault.reason
    return ""


def accounts_with_trail() -> list[str]:
    """Return every account that has a chain, sorted; `platform` is one of them."""
    with_events = (
        AuditEvent.objects.order_by().values_list("account_id", flat=True).distinct()
    )
    with_head = ChainHead.objects.values_list("account_id", flat=True)
    return sorted({*with_events, *with_head})


def verify(account_id: str) -> VerificationResult:
    """Verify an account's chain from its first entry to its head, and report the first fault.

    Checks hashes, links, missing numbers, the head, copied columns against their text, personal
    values against their commitments, the triggers, and the rows that apps compare with their
    entries. It cannot detect a tail that was cut off
    together with its head, or a completely rewritten chain; that needs a checkpoint kept elsewhere.
    """
    result = _verify_chain(account_id)
    missing = triggers.missing(connection)
    if result.is_valid and missing:
        reason = f"triggers missing on {triggers.TABLE}: {', '.join(missing)}"
        return replace(result, is_valid=False, reason=reason)
    return _verify_rows(result) if result.is_valid else result


def _verify_rows(result: VerificationResult) -> VerificationResult:
    try:
        for check in row_checks.registered():
            check(result.account_id)
    except BrokenChainError as fault:
        return replace(
            result,
            is_valid=False,
            first_invalid=fault.sequence,
            reason=fault.reason,
        )
    return result


def target_matches(target_id: str) -> Q:
    """Return the condition for a target's entries, also for those with its older id.

    Before versions were `SERVICE/NUMBER` and parts `SERVICE/NUMBER/KIND/NAME`, an entry had only
    the last of these as the id, and the service in `service_id`.
    """
    exact = Q(target_id=target_id)
    service_id, _, rest = target_id.partition("/")
    number, _, part = rest.partition("/")
    kind, _, name = part.partition("/")
    if name:
        label = f"{name} in version {number}"
        return exact | Q(
            service_id=service_id, target_type=kind, target_id=name, target_label=label
        )
    if number:
        return exact | Q(service_id=service_id, target_type="version", target_id=number)
    return exact


def _text_matches(text: str) -> Q:
    """Return the condition of an entry that has a text; the account's entries are read for it."""
    held = PersonalData.objects.filter(
        account_id=OuterRef("account_id"),
        sequence=OuterRef("sequence"),
        kind__in=[PersonalData.Kind.IP, PersonalData.Kind.EMAIL],
        value__iexact=text,
    )
    named = SearchTerm.objects.filter(column="product", folded__startswith=fold(text))
    said = text.casefold()
    condition = (
        Q(actor_label__icontains=text)
        | Q(target_label__icontains=text)
        | Q(action__in=[name for name, words in DESCRIPTIONS.items() if said in words])
        | Q(product__in=named.values("value"))
        | target_matches(text)
    )
    for column in ("action", "actor_id", "service_id", "request_id"):
        condition |= Q((column, text))
    return condition | Q(Exists(held))


def _verify_chain(account_id: str) -> VerificationResult:
    events = AuditEvent.objects.filter(account_id=account_id)
    # The chain may grow meanwhile. So the highest number is read before the head, which can only be
    # higher, and the rows up to that head are verified.
    highest = events.aggregate(Max("sequence"))["sequence__max"] or 0
    head = ChainHead.objects.filter(pk=account_id).first()
    end = head.sequence if head is not None else highest
    last = ChainPosition()
    wrong_clocks = 0
    try:
        personal = _Personal(account_id, end)
        for row in _rows(events.filter(sequence__lte=end)):
            following = verify_link(row, last)
            body = verify_row(row)
            wrong_clocks += wrong_clock(body) is not None
            committed = commitments(body)
            for value in personal.up_to(row.sequence):
                verify_commitment(committed, value)
            last = following
        _require_end(head, last, highest)
    except BrokenChainError as fault:
        return VerificationResult(
            account_id,
            is_valid=False,
            checked=last.sequence,
            first_invalid=fault.sequence,
            reason=fault.reason,
            wrong_clocks=wrong_clocks,
        )
    return VerificationResult(
        account_id,
        is_valid=True,
        checked=last.sequence,
        wrong_clocks=wrong_clocks,
    )


def _rows(events: QuerySet[AuditEvent]) -> Iterator[ChainRow]:
    return map(ChainRow._make, _by_sequence(events, ChainRow._fields))


def _by_sequence(rows: "QuerySet[Any]", names: Sequence[str]) -> Iterator[list[Any]]:
    """Yield values of rows in the order of their sequence, with many short queries.

    For one query of a whole chain PostgreSQL would first write all of it to a temporary file, and
    the web server allows a query 15 seconds.
    """
    ordered = rows.order_by("sequence", "id")
    following = ordered
    while True:
        page = list(following.values_list("sequence", "id", *names)[:VERIFIED_AT_ONCE])
        for _, _, *values in page:
            yield values
        if len(page) < VERIFIED_AT_ONCE:
            return
        sequence, key, *_ = page[-1]
        following = ordered.filter(sequence__gte=sequence).exclude(
            sequence=sequence, id__lte=key
        )


def _require_end(head: ChainHead | None, last: ChainPosition, highest: int) -> None:
    """Check that the chain ends at its head."""
    if head is None:
        if highest:
            raise BrokenChainError(None, "the head of the chain is missing")
        return
    if last.sequence < head.sequence:
        raise BrokenChainError(
            last.sequence + 1, "the entry is missing at the end of the chain"
        )
    if highest > head.sequence:
        raise BrokenChainError(
            head.sequence + 1, "it lies beyond the head of the chain"
        )
    if (head.event_hash, head.at) != (last.event_hash, last.at):
        raise BrokenChainError(None, "the head of the chain is not its last entry")


class _Personal:
    """Iterates over the personal values of a chain in step with its entries."""

    def __init__(self, account_id: str, end: int) -> None:
        values = PersonalData.objects.filter(account_id=account_id, sequence__lte=end)
        rows = _by_sequence(values, PersonalValue._fields)
        self._rows = map(PersonalValue._make, rows)
        self._next = next(self._rows, None)

    def up_to(self, sequence: int) -> Iterator[PersonalValue]:
        """Yield the values not yielded yet, up to and including a sequence."""
        while self._next is not None and self._next.sequence <= sequence:
            yield self._next
            self._next = next(self._rows, None)
