"""Digests of the whole database: if they are equal before and after, nothing has changed.

Most requests write nothing; noting their statements is a hundred times faster than a digest.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from django.db import connection
from django.db.backends.utils import CursorWrapper

# These change without a command: sessions, rate limits, and when something was last used or seen.
VOLATILE = frozenset({"django_session", "usersessions_usersession", "portal_cache"})
VOLATILE_COLUMNS = frozenset(
    {
        ("accounts_apitoken", "last_used_at"),
        ("accounts_apitoken", "last_used_ip"),
        ("accounts_user", "last_login"),
        ("metering_edge", "asked_at"),
        ("metering_edge", "generation"),
        ("metering_edge", "last_seen_at"),
    }
)


_READS = re.compile(
    r"\s*(SELECT|WITH|SAVEPOINT|RELEASE|ROLLBACK|BEGIN|COMMIT|SET|PRAGMA busy_timeout)\b"
)
_WRITES = re.compile(r"\s*(?:INSERT (?:OR IGNORE )?INTO|UPDATE|DELETE FROM) \W?(\w+)")


@contextmanager
def writes_noted() -> Iterator[list[str]]:
    """Give a list of the statements that may change what a digest covers, as they are executed."""
    noted: list[str] = []

    def note(
        execute: Callable[..., Any], sql: str, params: Any, many: Any, context: Any
    ) -> Any:
        found = _WRITES.match(sql)
        is_volatile = found is not None and found[1] in VOLATILE
        if not is_volatile and not _READS.match(sql):
            noted.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        yield noted


def digest_of_written(statements: Iterable[str]) -> dict[str, str]:
    """Return a digest of each table that statements may have changed; no trigger writes."""
    found = [_WRITES.match(each) for each in statements]
    if None in found:
        return digest_of_everything()
    written = {match[1] for match in found if match}
    return {
        table: _digest(table, columns)
        for table, columns in _tables().items()
        if table in written
    }


def digest_of_everything(*, without: frozenset[str] = frozenset()) -> dict[str, str]:
    """Return a digest of each table's rows, by name; `without` names tables to leave out."""
    return {
        table: _digest(table, columns)
        for table, columns in _tables().items()
        if table not in without
    }


@cache
def _tables() -> dict[str, tuple[str, ...]]:
    """Return the columns to digest by table, for all tables of the database."""
    with connection.cursor() as cursor:
        return {
            table: tuple(
                column
                for column in _columns(cursor, table)
                if (table, column) not in VOLATILE_COLUMNS
            )
            for table in connection.introspection.table_names(cursor)
            if table not in VOLATILE
        }


def _columns(cursor: CursorWrapper, table: str) -> list[str]:
    # Django's introspection also parses each constraint, which takes a second for all tables.
    cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)} LIMIT 0")
    return [column[0] for column in cursor.description]


def _digest(table: str, columns: tuple[str, ...]) -> str:
    chosen = ", ".join(map(connection.ops.quote_name, columns))
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {chosen} FROM {connection.ops.quote_name(table)}")
        rows = sorted(map(repr, cursor.fetchall()))
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()
