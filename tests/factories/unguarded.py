"""Rows without the triggers that guard them, as an intruder with the database's password could make them."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

from accounts.triggers import TriggerSet


@contextmanager
def unguarded(triggers: TriggerSet) -> Iterator[None]:
    """Remove the triggers, and install them again after the block."""
    # PostgreSQL alters no table with constraints that are still to be checked.
    connection.check_constraints()
    triggers.remove(connection)
    yield
    connection.check_constraints()
    triggers.install(connection)
