"""Responses that are kept for a day or longer, so that a call with the same `Idempotency-Key` runs once.

A kept response is no state of an account. It is not a `recorded_change`; the call itself is
recorded as always, and the request's id joins the two.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.db import connection
from django.db.models import QuerySet

from accounts.audit.models import AuditEvent
from accounts.errors import Conflict
from accounts.models import KeptResponse
from accounts.prepared import PreparedQuery, columns_of, loaded

# Longer than any call takes. After it, the process that made the call has ended.
MAX_CALL_TIME: Final = timedelta(minutes=1)
RUNNING: Final = "The first call with this Idempotency-Key is still running. Try again."


class OtherBody(Conflict):
    """The key was used for a call with another body."""

    code = "idempotency_key_reused"


class StillRunning(Conflict):
    """The first call with this key has no response yet."""

    code = "idempotency_key_in_use"


class ResponseLost(Conflict):
    """The first call changed something, but its process ended before the response was kept."""

    code = "response_lost"


@dataclass(frozen=True, slots=True)
class Call:
    """A call with a key: `scope` is the digest of token, method, path and key."""

    scope: str
    body_digest: str
    request_id: str


def claim_or_find(call: Call, *, now: datetime) -> KeptResponse | None:
    """Return the response of an earlier call, or None: then the caller carries out this one.

    Raises OtherBody, StillRunning and ResponseLost.
    """
    mine = KeptResponse(
        scope=call.scope,
        body_digest=call.body_digest,
        request_id=call.request_id,
        started_at=now,
    )
    with connection.cursor() as cursor:
        cursor.execute(*_insertion(mine))
        if cursor.rowcount == 1:
            return None
    kept = _KEPT.first(call.scope)
    if kept is None:  # the first call was released just now
        raise StillRunning(RUNNING)
    row = loaded(KeptResponse, kept)
    if row.started_at <= now - kept_for():
        _replace(row, mine)
        return None
    if row.body_digest != call.body_digest:
        raise OtherBody(
            "This Idempotency-Key was sent with another body. Use a new key."
        )
    if row.status:
        return row
    if now - row.started_at < MAX_CALL_TIME:
        raise StillRunning(RUNNING)
    if AuditEvent.objects.filter(request_id=row.request_id).exists():
        raise ResponseLost(
            "The first call with this Idempotency-Key was carried out, but its response was lost. "
            "Read the current state."
        )
    _replace(row, mine)
    return None


_COLUMNS: Final = columns_of(KeptResponse)
_KEPT: Final = PreparedQuery(
    lambda scope: KeptResponse.objects.filter(scope=scope).values_list(*_COLUMNS)
)


def _insertion(call: KeptResponse) -> tuple[str, list[Any]]:
    """Return the statement, with its values, that stores a call unless there is one with its scope.

    One statement says whether the call is the first; every write with a key waits for it.
    """
    table = KeptResponse._meta.db_table  # noqa: SLF001 - Django's own name
    fields = KeptResponse._meta.concrete_fields  # noqa: SLF001
    names = ", ".join(f'"{field.column}"' for field in fields)
    marks = ", ".join("%s" for _ in fields)
    return (
        f"INSERT INTO {table} ({names}) VALUES ({marks}) ON CONFLICT DO NOTHING",  # noqa: S608 - names alone
        [
            field.get_db_prep_save(getattr(call, field.attname), connection)
            for field in fields
        ],
    )


def _replace(old: KeptResponse, new: KeptResponse) -> None:
    """Put a new call in place of an old one; raise StillRunning if another call did so before."""
    unchanged = KeptResponse.objects.filter(
        scope=old.scope, request_id=old.request_id, started_at=old.started_at
    )
    if not unchanged.update(
        body_digest=new.body_digest,
        request_id=new.request_id,
        started_at=new.started_at,
        status=0,
    ):
        raise StillRunning(RUNNING)


def keep_response(
    call: Call, *, status: int, headers: Mapping[str, str], body: str
) -> None:
    """Keep the response of a call."""
    KeptResponse.objects.filter(scope=call.scope, request_id=call.request_id).update(
        status=status, headers=dict(headers), body=body
    )


def release(call: Call) -> None:
    """Forget a call, so that it can be tried again."""
    KeptResponse.objects.filter(scope=call.scope, request_id=call.request_id).delete()


def kept_for() -> timedelta:
    """Return for how long a response is kept."""
    return timedelta(hours=settings.IDEMPOTENCY_KEEP_HOURS)


def old_responses(now: datetime) -> "QuerySet[KeptResponse]":
    """Return the responses that were kept long enough."""
    return KeptResponse.objects.filter(started_at__lte=now - kept_for())


def delete_old_responses(*, now: datetime) -> int:
    """Delete the responses that were kept long enough, and return how many."""
    deleted, _ = old_responses(now).delete()
    return deleted
