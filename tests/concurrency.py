"""Runs calls at the same time, each in a thread with a database connection of its own."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, connections, transaction

from tests.portal.waiting import until


def together(*calls: Callable[[], object]) -> list[object]:
    """Start all calls at the same moment; return what each returned or raised, in order.

    For tests marked `django_db(transaction=True)`: a thread sees only committed rows.
    """
    outcomes: list[object] = [None] * len(calls)
    start = threading.Barrier(len(calls))

    def run(index: int, call: Callable[[], object]) -> None:
        start.wait(timeout=30)
        try:
            outcomes[index] = call()
        except Exception as error:  # noqa: BLE001 - the test checks the outcome
            outcomes[index] = error
        finally:
            connections.close_all()

    threads = [
        threading.Thread(target=run, args=(index, call), daemon=True)
        for index, call in enumerate(calls)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert not any(thread.is_alive() for thread in threads), "a call never returned"
    return outcomes


@contextmanager
def amid(sql: str, call: Callable[[], object]) -> Iterator[list[object]]:
    """Make a call in another thread, just before the first query here that contains `sql`.

    The list then has what it returned or raised. It stays empty if no query contains `sql`.
    """
    outcomes: list[object] = []

    def watch(execute: Any, query: str, params: Any, many: bool, context: Any) -> Any:
        if sql in query and not outcomes:
            outcomes.extend(together(call))
        return execute(query, params, many, context)

    with connection.execute_wrapper(watch):
        yield outcomes


@contextmanager
def overtaking(call: Callable[[], object]) -> Iterator[list[object]]:
    """Commit the block's writes once the call, made in another thread, waits for them.

    The list then has what it returned or raised. SQLite does not show who waits; there the call
    runs before or after the commit.
    """
    outcomes: list[object] = []
    thread = threading.Thread(
        target=lambda: outcomes.extend(together(call)), daemon=True
    )
    with transaction.atomic():
        yield outcomes
        thread.start()
        if connection.vendor == "postgresql":
            until(_is_waited_for, "the call waits for the transaction")
    thread.join(timeout=60)


def _is_waited_for() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM pg_locks"
            " WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))"
        )
        return cursor.fetchone() is not None
