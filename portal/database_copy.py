"""Copies the whole database into a file and back: SQLite by its backup API, PostgreSQL by pg_dump.

A copy is of one instant, and writers are not stopped meanwhile. Replacing the database is one
transaction, so it succeeds or changes nothing.
"""

import os
import sqlite3
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

import psycopg
from django.apps import apps
from django.core.management import call_command
from django.core.management.color import no_style
from django.db import connection, connections
from django.db.models import Model
from psycopg import IsolationLevel, sql

# What pg_dump and psql read of a connection's parameters, and from which variable.
PG_VARIABLES = {
    "host": "PGHOST",
    "port": "PGPORT",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "dbname": "PGDATABASE",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "connect_timeout": "PGCONNECT_TIMEOUT",
}
EMPTY_SCHEMA = "DROP SCHEMA public CASCADE; CREATE SCHEMA public"
# New tables have no statistics, without which the verification of chains would sort them again and
# again.
ANALYZE = "ANALYZE"
COPY = "copy"  # the alias of a SQLite copy while its rows are read
ROWS_AT_ONCE = 2000
SQLITE_SECONDS = 20  # to wait for a writer


class CopyError(Exception):
    """The database could not be copied or replaced; the sentence says why."""


class RowReader(Protocol):
    """Reads rows by SQL, from the database or from a copy of it."""

    def __call__(self, query: str, /) -> Sequence[Sequence[Any]]:
        """Return all rows of a query."""


@contextmanager
def copied_to(path: Path) -> Iterator[RowReader]:
    """Copy the database to a file, and let the caller read the state that was copied.

    Raises CopyError.
    """
    if connection.vendor == "sqlite":
        with (
            closing(_sqlite(_sqlite_path())) as live,
            closing(_sqlite(path)) as copy,
        ):
            live.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")  # the copy is one file
            yield lambda query: copy.execute(query).fetchall()
        return
    with _postgresql() as live_connection:
        live_connection.isolation_level = IsolationLevel.REPEATABLE_READ
        ((snapshot,),) = live_connection.execute(
            "SELECT pg_export_snapshot()"
        ).fetchall()
        _run(
            ["pg_dump", "-Fc", f"--snapshot={snapshot}", "-f", str(path)],
            environment=_pg_environment(),
        )
        yield lambda query: live_connection.execute(_trusted(query)).fetchall()


def replace_by(path: Path) -> None:
    """Replace the whole database by a copy.

    Raises CopyError if a program still uses the database, and if the copy is damaged.
    """
    connection.close()
    if connection.vendor == "sqlite":
        _replace_sqlite(path)
    else:
        _replace_postgresql(path)


def replace_by_sqlite(path: Path) -> None:
    """Replace the PostgreSQL database by a SQLite copy that has the same migrations.

    The tables are made by the migrations, and get their rows in one transaction; if that fails they
    are empty. Raises CopyError if a program still uses the database, and for a row that PostgreSQL
    refuses.
    """
    connection.close()
    _require_unused()
    with _postgresql() as target:
        target.execute(EMPTY_SCHEMA)
    call_command("migrate", interactive=False, verbosity=0)
    connection.close()
    # The models read the copy, so that times keep their microseconds and values their types.
    connections.databases[COPY] = connection.settings_dict | {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(path),
        "OPTIONS": {},
    }
    try:
        with _postgresql() as target:
            _fill(target)
            target.execute(ANALYZE)
    except psycopg.Error as error:
        raise CopyError(f"PostgreSQL refuses a row: {error}.") from error
    finally:
        connections[COPY].close()
        del connections[COPY], connections.databases[COPY]


def _fill(target: "psycopg.Connection[Any]") -> None:
    """Give all tables of models the rows of the copy, and write nothing else."""
    models = {
        model._meta.db_table: model  # noqa: SLF001 - Django's own name
        for model in apps.get_models(include_auto_created=True)
    }
    triggers = target.execute(
        "SELECT tgrelid::regclass::text, tgname, tgenabled FROM pg_trigger"
        " WHERE NOT tgisinternal"
    ).fetchall()
    for table, name, _ in triggers:
        target.execute(_trusted(f"ALTER TABLE {table} DISABLE TRIGGER {name}"))
    names = ", ".join(f'"{table}"' for table in models)
    target.execute(_trusted(f"TRUNCATE {names}"))
    for model in models.values():
        _copy_rows(target, model)
    for statement in connection.ops.sequence_reset_sql(no_style(), [*models.values()]):
        target.execute(_trusted(statement))
    target.execute("SET CONSTRAINTS ALL IMMEDIATE")  # before tables are altered again
    for table, name, enabled in triggers:
        always = "ALWAYS " if enabled == "A" else ""
        target.execute(_trusted(f"ALTER TABLE {table} ENABLE {always}TRIGGER {name}"))


def _copy_rows(target: "psycopg.Connection[Any]", model: type[Model]) -> None:
    fields = [each for each in model._meta.concrete_fields if not each.generated]  # noqa: SLF001
    columns = ", ".join(f'"{each.column}"' for each in fields)
    manager, table = model._base_manager, model._meta.db_table  # noqa: SLF001
    rows = manager.using(COPY).values_list(*(each.attname for each in fields))
    with (
        target.cursor() as cursor,
        cursor.copy(_trusted(f'COPY "{table}" ({columns}) FROM STDIN')) as copying,
    ):
        for row in rows.order_by("pk").iterator(ROWS_AT_ONCE):
            copying.write_row(
                [
                    field.get_db_prep_save(value, connection=connection)
                    for field, value in zip(fields, row, strict=True)
                ]
            )


def read_rows(query: str, /) -> Sequence[Sequence[Any]]:
    """Return all rows of a query to the database itself."""
    with connection.cursor() as cursor:
        cursor.execute(query)
        rows: Sequence[Sequence[Any]] = cursor.fetchall()
    return rows


def _replace_sqlite(path: Path) -> None:
    with (
        closing(_sqlite(path)) as copy,
        closing(_sqlite(_sqlite_path(), seconds=1)) as live,
    ):
        ((found,),) = copy.execute("PRAGMA integrity_check(1)").fetchall()
        if found != "ok":
            raise CopyError(f"The copy is damaged: {found}.")
        try:
            # Fails while another connection is open.
            live.execute("PRAGMA journal_mode=DELETE")
            copy.backup(live)
        except sqlite3.OperationalError as error:
            raise CopyError(_in_use(str(error))) from error


def _replace_postgresql(path: Path) -> None:
    environment = _pg_environment()
    _require_unused()
    script = path.with_name(f"{path.name}.sql")
    try:
        dump = ["pg_restore", "--no-owner", "--no-privileges", "-f", str(script)]
        _run([*dump, str(path)], environment=environment)
        once = ["psql", "-X", "-q", "-1", "-v", "ON_ERROR_STOP=1"]
        _run(
            [*once, "-c", EMPTY_SCHEMA, "-f", str(script), "-c", ANALYZE],
            environment=environment | {"PGOPTIONS": "-c lock_timeout=5s"},
        )
    finally:
        script.unlink(missing_ok=True)


def _require_unused() -> None:
    """Raise CopyError if a program uses the PostgreSQL database."""
    with _postgresql() as live:
        ((others,),) = live.execute(
            "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        ).fetchall()
    if others:
        raise CopyError(_in_use(f"{others} other connections are open"))


def _in_use(detail: str) -> str:
    return (
        f"Another program uses the database ({detail}). Stop the web servers, the worker and "
        "beat first."
    )


def _sqlite_path() -> Path:
    return Path(connection.settings_dict["NAME"])


def _sqlite(path: Path, *, seconds: float = SQLITE_SECONDS) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=seconds, isolation_level=None)


def _postgresql() -> "psycopg.Connection[Any]":
    """Return a connection without the portal's time limits, which a long copy would exceed."""
    known = connection.get_connection_params()
    return psycopg.connect(
        **{name: known[name] for name in PG_VARIABLES if known.get(name)}
    )


def _pg_environment() -> dict[str, str]:
    known = connection.get_connection_params()
    return dict(os.environ) | {
        variable: str(known[name])
        for name, variable in PG_VARIABLES.items()
        if known.get(name)
    }


def _trusted(query: str) -> sql.SQL:
    return sql.SQL(query)  # of constants and names of tables


def _run(command: Sequence[str], *, environment: Mapping[str, str]) -> None:
    try:
        subprocess.run(  # noqa: S603 - a fixed program, without a shell
            command, env=environment, capture_output=True, text=True, check=True
        )
    except FileNotFoundError as error:
        raise CopyError(
            f"{command[0]} is missing. Install PostgreSQL's client programs, of the server's "
            "version or newer."
        ) from error
    except subprocess.CalledProcessError as error:
        lines = error.stderr.strip().splitlines() or ["no message"]
        raise CopyError(f"{command[0]}: {lines[0]}") from error
