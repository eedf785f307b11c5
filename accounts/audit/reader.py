"""Reads the committed trail of an account in the order of its sequence, which has no gaps.

A reader does what must follow a change, such as sending a message, and remembers per account how
far it has read. It acts first and moves then, so after a crash it acts again on the same entry.
Or it moves in the transaction in which it writes what follows; then it acts exactly once.

Checks no permission, like `queries`. On PostgreSQL the ids of rows do not become visible in order,
so a reader remembers a sequence per account and never an id.
"""

import contextlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime

from django.db import transaction
from django.db.models import Exists, F, Min, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from accounts.audit.models import PLATFORM, AuditEvent, ChainHead, TrailCursor

MAX_SEQUENCE = 2**63 - 1  # of the database column


def entries_after(
    account_id: str,
    sequence: int,
    *,
    limit: int,
    services: Collection[str] = (),
) -> list[AuditEvent]:
    """Return the account's next entries after a sequence, oldest first, at most `limit`.

    If `services` are given, only entries of these services.
    """
    entries = AuditEvent.objects.filter(account_id=account_id, sequence__gt=sequence)
    if services:
        entries = entries.filter(service_id__in=services)
    return list(entries.order_by("sequence")[:limit])


def end_of(account_id: str) -> int:
    """Return the sequence of the account's last entry; 0 without any."""
    last = ChainHead.objects.filter(pk=account_id).values_list("sequence", flat=True)
    return last.first() or 0


def start(reader: str, account_id: str, *, after: int) -> None:
    """Make a reader continue after a sequence of an account, whatever it has read before."""
    TrailCursor.objects.update_or_create(
        reader=reader, account_id=account_id, defaults={"sequence": after}
    )


@contextlib.contextmanager
def claimed(reader: str, account_id: str, *, limit: int) -> Iterator[list[AuditEvent]]:
    """Move a reader past the next entries of an account, in one transaction with the block.

    So what the block writes about the entries is written exactly once. It gets no entries if
    there are none, or if another process has claimed them.
    """
    with transaction.atomic(durable=True):
        TrailCursor.objects.get_or_create(reader=reader, account_id=account_id)
        position = position_of(reader, account_id)
        entries = entries_after(account_id, position, limit=limit)
        is_free = bool(entries) and advance(
            reader, account_id, read_from=position, to=entries[-1].sequence
        )
        yield entries if is_free else []


def accounts_behind(reader: str, *, limit: int) -> list[str]:
    """Return accounts with entries that a reader of all accounts has not read, at most `limit`."""
    ids = _behind(reader).order_by("at", "pk").values_list("pk", flat=True)
    return list(ids[:limit])


def behind_since(reader: str) -> datetime | None:
    """Return the time of the oldest entry that a reader of all accounts has not read; one query."""
    following = AuditEvent.objects.filter(
        account_id=OuterRef("pk"), sequence=OuterRef("following")
    )
    read = TrailCursor.objects.filter(reader=reader, account_id=OuterRef("pk"))
    heads = _behind(reader).annotate(
        following=Coalesce(Subquery(read.values("sequence")), 0) + 1
    )
    heads = heads.annotate(entry_at=Subquery(following.values("at")))
    found: datetime | None = heads.aggregate(Min("entry_at"))["entry_at__min"]
    return found


def _behind(reader: str) -> "QuerySet[ChainHead]":
    read = TrailCursor.objects.filter(
        reader=reader, account_id=OuterRef("pk"), sequence__gte=OuterRef("sequence")
    )
    heads = ChainHead.objects.filter(~Exists(read), sequence__gt=0)
    return heads.exclude(pk=PLATFORM)


def forget(reader: str) -> None:
    """Remove what a reader has read, for all accounts."""
    TrailCursor.objects.filter(reader=reader).delete()


def position_of(reader: str, account_id: str) -> int:
    """Return the last sequence that a reader has read of an account; 0 if it has not started."""
    found = TrailCursor.objects.filter(reader=reader, account_id=account_id)
    return found.values_list("sequence", flat=True).first() or 0


def advance(reader: str, account_id: str, *, read_from: int, to: int) -> bool:
    """Move a reader from one sequence to a later one; return whether it was still at the first.

    It is not if the reader was started again meanwhile, or if another process has moved it.
    """
    cursor = TrailCursor.objects.filter(
        reader=reader, account_id=account_id, sequence=read_from
    )
    return bool(cursor.update(sequence=to))


def readers_behind(readers: Iterable[str]) -> set[str]:
    """Return those readers that have entries to read; one query."""
    ahead = ChainHead.objects.filter(
        pk=OuterRef("account_id"), sequence__gt=OuterRef("sequence")
    )
    behind = TrailCursor.objects.filter(Exists(ahead), reader__in=list(readers))
    return set(behind.values_list("reader", flat=True))


def waiting_since(readers: Iterable[str]) -> Mapping[str, datetime]:
    """Return the time of the next entry of those readers that have one to read; one query."""
    following = AuditEvent.objects.filter(
        account_id=OuterRef("account_id"), sequence=OuterRef("following")
    )
    cursors = TrailCursor.objects.filter(reader__in=list(readers))
    found = cursors.annotate(following=F("sequence") + 1).annotate(
        at=Subquery(following.values("at"))
    )
    return dict(found.exclude(at=None).values_list("reader", "at"))
