"""Pages through the entries of all accounts, newest first, by (at, id): no counting, no offset."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import or_

from django.db.models import Q, QuerySet

from accounts.audit.entry_body import timestamp
from accounts.audit.models import AuditEvent


class InvalidCursor(ValueError):
    """The text is not a cursor."""


@dataclass(frozen=True, slots=True)
class PageCursor:
    """The position of one entry in the list."""

    at: datetime
    id: int

    @classmethod
    def of(cls, event: AuditEvent) -> "PageCursor":
        """Return the position of an entry."""
        return cls(event.at, event.pk)

    @classmethod
    def parse(cls, text: str) -> "PageCursor":
        """Return the cursor that `str` wrote; raises InvalidCursor."""
        at, _, number = text.partition("_")
        try:
            cursor = cls(datetime.fromisoformat(at), int(number))
        except ValueError as error:
            raise InvalidCursor("not a cursor") from error
        if cursor.at.tzinfo is None or not 0 <= cursor.id < 2**63:
            raise InvalidCursor("not a cursor")
        return cursor

    def __str__(self) -> str:
        """Return the cursor as text for a URL."""
        return f"{timestamp(self.at)}_{self.id}"


@dataclass(frozen=True, slots=True)
class CursorPage:
    """A page of entries, newest first, with cursors of its neighbours; None if there are none."""

    events: tuple[AuditEvent, ...]
    older: PageCursor | None
    newer: PageCursor | None


def matching(
    events: QuerySet[AuditEvent], columns: Iterable[str], term: str
) -> QuerySet[AuditEvent]:
    """Return the entries whose value in one of some columns equals a term.

    Each column is first checked for the term. Usually one column has it, and its index gives the
    page in order. An OR over all columns would fetch and sort every match.
    """
    known = [
        Q(**{column: term})
        for column in columns
        if AuditEvent.objects.filter(**{column: term}).exists()
    ]
    return events.filter(reduce(or_, known)) if known else events.none()


def cursor_page(
    events: QuerySet[AuditEvent],
    *,
    any_of: Sequence[Q] = (),
    older: PageCursor | None = None,
    newer: PageCursor | None = None,
    size: int = 50,
) -> CursorPage:
    """Return the newest page, or the page `older` or `newer` than a cursor.

    With `any_of`, of the entries that fulfil one of these conditions. Each is read by its own
    query, because an OR would fetch and sort every match.
    """
    if newer is not None:
        following = Q(at__gte=newer.at) & (Q(at__gt=newer.at) | Q(id__gt=newer.id))
        found = _first(events.filter(following).order_by("at", "id"), any_of, size + 1)
        shown = found[:size][::-1]
        has_newer, has_older = len(found) > size, True
    else:
        if older is not None:
            preceding = Q(at__lte=older.at) & (Q(at__lt=older.at) | Q(id__lt=older.id))
            events = events.filter(preceding)
        found = _first(events.order_by("-at", "-id"), any_of, size + 1)
        shown = found[:size]
        has_newer, has_older = older is not None, len(found) > size
    return CursorPage(
        events=tuple(shown),
        older=PageCursor.of(shown[-1]) if shown and has_older else None,
        newer=PageCursor.of(shown[0]) if shown and has_newer else None,
    )


def _first(
    events: QuerySet[AuditEvent], any_of: Sequence[Q], count: int
) -> list[AuditEvent]:
    """Return the first entries in the order of a queryset, of all or of those of some conditions."""
    if not any_of:
        return list(events[:count])
    places = {
        place
        for condition in any_of
        for place in events.filter(condition).values_list("at", "pk")[:count]
    }
    is_newest_first = events.query.order_by[0] == "-at"
    keys = [key for _, key in sorted(places, reverse=is_newest_first)[:count]]
    found = AuditEvent.objects.in_bulk(keys)
    return [found[key] for key in keys]
