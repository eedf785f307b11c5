"""Finds entries by what a customer tells staff: a name, an address, an id, an event.

Ignores case and takes the start of a word. The answer is a list of conditions, each with an index
that gives the newest entries first, so that a page costs the same for any number of entries.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from django.db import connection
from django.db.models import Q, QuerySet

from accounts.audit.models import AuditEvent, ChainHead, PersonalData, SearchTerm
from accounts.audit.queries import target_matches
from accounts.audit.search_terms import fold
from accounts.audit.vocabulary import DESCRIPTIONS
from accounts.models import Account, User

# Each match costs a query. For more, staff type more of the word.
MAX_MATCHES: Final = 20
# A shorter start of a request id would match a good part of the trail.
MIN_REQUEST_ID_LENGTH: Final = 6
# An address of a proxy can be that of half the trail: its newest entries are searched.
MAX_OF_ADDRESS: Final = 1_000
MAX_OF_ADDRESSES: Final = 5_000  # of all that start with a text, shared equally
_IP: Final = re.compile(r"(?=.*[.:])[0-9a-f.:]{3,45}")
_LAST: Final = "\U0010ffff"  # after every other character


@dataclass(frozen=True, slots=True)
class Found:
    """The conditions of what a text can mean, and whether it can mean more than those."""

    conditions: tuple[Q, ...]
    has_more: bool = False


def find(text: str) -> Found:
    """Return the conditions of the entries that a text can mean; none if it is unknown."""
    term = fold(text)
    if not term:
        return Found(())
    conditions = list(islice(_conditions(text.strip(), term), MAX_MATCHES + 1))
    return Found(tuple(conditions[:MAX_MATCHES]), len(conditions) > MAX_MATCHES)


def _conditions(typed: str, term: str) -> Iterator[Q]:
    if "/" in typed:  # a version or a part, which older entries name in another way
        yield target_matches(typed)
    for action, description in DESCRIPTIONS.items():
        if action.startswith(term) or description.startswith(term):
            yield Q(action=action)
    for account_id in _account_ids(typed):
        yield Q(account_id=account_id)
    for user_id in _user_ids(term):
        yield Q(actor_id=user_id)
        yield Q(target_id=user_id)
    yield from _terms(term)
    yield from _request_ids(typed)
    yield from _ip_addresses(term)


def _account_ids(typed: str) -> Iterator[str]:
    named = Account.objects.filter(
        Q(name__istartswith=typed) | Q(name__icontains=f" {typed}")
    )
    yield from _distinct(named, "pk")
    chains = ChainHead.objects.filter(account_id__istartswith=typed)
    yield from _distinct(chains, "account_id")


def _user_ids(term: str) -> list[str]:
    """Return the users whose email starts with a term; emails are in lower case."""
    return _distinct(User.objects.filter(_starts_with("email", term)), "pk")


def _terms(term: str) -> Iterator[Q]:
    rows = SearchTerm.objects.filter(_starts_with("folded", term)).order_by("folded")
    seen = set()
    for column, value in rows.values_list("column", "value")[: 2 * MAX_MATCHES]:
        if (column, value) not in seen:
            seen.add((column, value))
            yield Q(**{column: value})


def _request_ids(typed: str) -> Iterator[Q]:
    if len(typed) < MIN_REQUEST_ID_LENGTH:
        return
    events = AuditEvent.objects.filter(_starts_with("request_id", typed))
    for request_id in _distinct(events, "request_id"):
        yield Q(request_id=request_id)


def _ip_addresses(term: str) -> Iterator[Q]:
    if not _IP.fullmatch(term):
        return
    held = PersonalData.objects.filter(kind=PersonalData.Kind.IP)
    # A whole address is not also the start of others.
    is_whole = held.filter(value=term).exists()
    addresses = [term] if is_whole else _addresses_from(term)
    number = min(MAX_OF_ADDRESS, MAX_OF_ADDRESSES // max(len(addresses), 1))
    for value in addresses:
        newest = held.filter(value=value).order_by("-event_id")
        yield Q(pk__in=newest.values("event_id")[:number])


# From one address to the next in the index. A DISTINCT reads every entry of each address.
_ADDRESSES: Final = """
    WITH RECURSIVE found(value) AS (
        SELECT * FROM (SELECT value FROM audit_personaldata
            WHERE kind = 'ip' AND value {from} %s AND value {below} %s
            ORDER BY value {order} LIMIT 1) AS first
        UNION ALL
        SELECT (SELECT next.value FROM audit_personaldata AS next
            WHERE next.kind = 'ip' AND next.value {above} found.value AND next.value {below} %s
            ORDER BY next.value {order} LIMIT 1)
        FROM found WHERE found.value IS NOT NULL)
    SELECT value FROM found WHERE value IS NOT NULL LIMIT %s"""
# The index has the order of these operators, whatever the collation of the database.
_IN_ORDER_OF_BYTES: Final = {
    "postgresql": {
        "from": "~>=~",
        "above": "~>~",
        "below": "~<~",
        "order": "USING ~<~",
    },
    "sqlite": {"from": ">=", "above": ">", "below": "<", "order": ""},
}


def _addresses_from(start: str) -> list[str]:
    """Return the IP addresses that start with a text, in order: at most one more than are shown."""
    query = _ADDRESSES.format_map(_IN_ORDER_OF_BYTES[connection.vendor])
    with connection.cursor() as cursor:
        end = start + _LAST
        cursor.execute(query, [start, end, end, MAX_MATCHES + 1])
        return [value for (value,) in cursor.fetchall()]


def _starts_with(column: str, start: str) -> Q:
    """Return the condition of a start of a text, for which each database uses its index."""
    if connection.vendor == "postgresql":
        return Q(**{f"{column}__startswith": start})
    return Q(**{f"{column}__gte": start, f"{column}__lt": start + _LAST})


def _distinct(rows: "QuerySet", column: str) -> list[str]:  # type: ignore[type-arg]  # of any model
    found = rows.order_by(column).values_list(column, flat=True).distinct()
    return list(found[: MAX_MATCHES + 1])
