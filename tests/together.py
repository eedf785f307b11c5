"""Runs calls at the same time, each in a thread with a database connection of its own."""

import threading
from collections.abc import Callable

from django.db import connections


def together(*calls: Callable[[], object]) -> list[object]:
    """Return what each call returned or raised, in order; all begin at one moment.

    For tests marked `django_db(transaction=True)`: a thread sees only what is committed.
    """
    outcomes: list[object] = [None] * len(calls)
    start = threading.Barrier(len(calls))

    def run(index: int, call: Callable[[], object]) -> None:
        start.wait(timeout=30)
        try:
            outcomes[index] = call()
        except Exception as error:  # noqa: BLE001 - whatever it is, the test judges it
            outcomes[index] = error
        finally:
            connections.close_all()

    threads = [
        threading.Thread(target=run, args=(index, call))
        for index, call in enumerate(calls)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert not any(thread.is_alive() for thread in threads), "a call never returned"
    return outcomes
