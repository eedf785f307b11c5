"""Narrows and pages through all accounts' events, newest first, by (at, id): no counting, no offset."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import or_

from django.db.models import Q, QuerySet

from accounts.audit.entry_body import timestamp
from accounts.audit.models import AuditEvent


class InvalidCursor(ValueError):
    """The text names no place in the list."""


@dataclass(frozen=True, slots=True)
class PageCursor:
    """A place in the list: that of one event."""

    at: datetime
    id: int

    @classmethod
    def of(cls, event: AuditEvent) -> "PageCursor":
        """Return the place of an event."""
        return cls(event.at, event.pk)

    @classmethod
    def parse(cls, text: str) -> "PageCursor":
        """Read a place as `str` writes it; raises InvalidCursor."""
        at, _, number = text.partition("_")
        try:
            place = cls(datetime.fromisoformat(at), int(number))
        except ValueError as error:
            raise InvalidCursor("no place in the list") from error
        if place.at.tzinfo is None or not 0 <= place.id < 2**63:
            raise InvalidCursor("no place in the list")
        return place

    def __str__(self) -> str:
        """Write the place for an address."""
        return f"{timestamp(self.at)}_{self.id}"


@dataclass(frozen=True, slots=True)
class CursorPage:
    """A page of events, newest first, and where the next ones lie; None where there are no more."""

    events: tuple[AuditEvent, ...]
    older: PageCursor | None
    newer: PageCursor | None


def matching(
    events: QuerySet[AuditEvent], columns: Iterable[str], term: str
) -> QuerySet[AuditEvent]:
    """Narrow a list to events that hold a term, whole, in one of some columns.

    Each column is asked first whether it knows the term: mostly one does, and its index then gives
    the page in order, where an OR over all of them would fetch and sort every hit.
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
    older: PageCursor | None = None,
    newer: PageCursor | None = None,
    size: int = 50,
) -> CursorPage:
    """Return the newest page, or the one just `older` or just `newer` than a place."""
    if newer is not None:
        following = Q(at__gte=newer.at) & (Q(at__gt=newer.at) | Q(id__gt=newer.id))
        found = list(events.filter(following).order_by("at", "id")[: size + 1])
        shown = found[:size][::-1]
        has_newer, has_older = len(found) > size, True
    else:
        if older is not None:
            preceding = Q(at__lte=older.at) & (Q(at__lt=older.at) | Q(id__lt=older.id))
            events = events.filter(preceding)
        found = list(events.order_by("-at", "-id")[: size + 1])
        shown = found[:size]
        has_newer, has_older = older is not None, len(found) > size
    return CursorPage(
        events=tuple(shown),
        older=PageCursor.of(shown[-1]) if shown and has_older else None,
        newer=PageCursor.of(shown[0]) if shown and has_newer else None,
    )
