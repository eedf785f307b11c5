"""Several queries that see the database as of one moment."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

_BEGIN = {
    "postgresql": "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    # Deferred, so that it waits for no writer; Django's own transactions here are writers.
    "sqlite": "BEGIN DEFERRED",
}


@contextmanager
def snapshot() -> Iterator[None]:
    """Let all reads within see the same moment; snapshots do not nest.

    Within a transaction nothing is begun: that one says what is seen.
    """
    if connection.in_atomic_block:
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute(_BEGIN[connection.vendor])
        try:
            yield
        finally:
            cursor.execute("COMMIT")  # of nothing, also after an error
