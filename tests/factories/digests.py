"""Digests of the whole database: if they are equal before and after, nothing has changed."""

import hashlib
from functools import cache

from django.db import connection

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
                column.name
                for column in connection.introspection.get_table_description(
                    cursor, table
                )
                if (table, column.name) not in VOLATILE_COLUMNS
            )
            for table in connection.introspection.table_names(cursor)
            if table not in VOLATILE
        }


def _digest(table: str, columns: tuple[str, ...]) -> str:
    chosen = ", ".join(map(connection.ops.quote_name, columns))
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {chosen} FROM {connection.ops.quote_name(table)}")
        rows = sorted(map(repr, cursor.fetchall()))
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()
