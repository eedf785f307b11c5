"""A write that a request can do without, such as when a token was last used."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from django.db import OperationalError, connection, transaction
from django.db.models import QuerySet

WAIT_MS: Final = 200
logger = logging.getLogger(__name__)


def update_if_free(
    rows: QuerySet[Any], fields: Mapping[str, Any], *, what: str
) -> None:
    """Update rows, or log after 200 ms that another transaction holds them and go on.

    A database in which something is locked can still be read.
    """
    try:
        with _waiting_briefly():
            rows.update(**fields)
    except OperationalError:
        # The database's message could contain values.
        logger.warning("Not written, as the database is locked: %s.", what)


@contextmanager
def _waiting_briefly() -> Iterator[None]:
    if connection.vendor == "sqlite":
        # A transaction waits when it begins, so this comes before it.
        usual_ms = round(connection.settings_dict["OPTIONS"]["timeout"] * 1000)
        _execute(f"PRAGMA busy_timeout = {WAIT_MS}")
        try:
            with transaction.atomic():
                yield
        finally:
            _execute(f"PRAGMA busy_timeout = {usual_ms}")
    else:
        with transaction.atomic():
            _execute(f"SET LOCAL lock_timeout = {WAIT_MS}")
            yield


def _execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)
