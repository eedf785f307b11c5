"""Database triggers that keep rows as they are: installed, compared and removed, on both databases.

Django alters a SQLite table by rebuilding it, which drops its triggers. So every migration that
changes a guarded table installs them last.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper


@dataclass(frozen=True, slots=True)
class PostgresTrigger:
    """When a trigger fires, the body of its function, and the expected `pg_trigger.tgtype`."""

    fires: str
    body: str
    bits: int


@dataclass(frozen=True, slots=True)
class TriggerSet:
    """The triggers of one table, by name: SQLite's as statements, PostgreSQL's with a function."""

    table: str
    sqlite: Mapping[str, str]
    postgresql: Mapping[str, PostgresTrigger]

    def install(self, connection: BaseDatabaseWrapper) -> None:
        """Install the triggers, replacing those of the same names; may run twice."""
        self.remove(connection)
        with connection.cursor() as cursor:
            if connection.vendor == "sqlite":
                for statement in self.sqlite.values():
                    cursor.execute(statement)
                return
            for name, trigger in self.postgresql.items():
                cursor.execute(
                    f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql"
                    f" AS $guard${trigger.body}$guard$"
                )
                fires = trigger.fires.format(self.table)
                cursor.execute(
                    f"CREATE TRIGGER {name} {fires} EXECUTE FUNCTION {name}()"
                )
                # Without ALWAYS, session_replication_role = replica would disable it.
                cursor.execute(f"ALTER TABLE {self.table} ENABLE ALWAYS TRIGGER {name}")

    def remove(self, connection: BaseDatabaseWrapper) -> None:
        """Remove the triggers; for `install`, and for tests that clear tables."""
        with connection.cursor() as cursor:
            if connection.vendor == "sqlite":
                for name in self.sqlite:
                    cursor.execute(f"DROP TRIGGER IF EXISTS {name}")
                return
            for name in self.postgresql:
                cursor.execute(f"DROP TRIGGER IF EXISTS {name} ON {self.table}")

    def missing(self, connection: BaseDatabaseWrapper) -> list[str]:
        """Return the names of triggers that are absent, disabled or different from `install`'s."""
        if connection.vendor == "sqlite":
            return self._missing_on_sqlite(connection)
        return self._missing_on_postgresql(connection)

    def _missing_on_sqlite(self, connection: BaseDatabaseWrapper) -> list[str]:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = %s",
                [self.table],
            )
            present = dict(cursor.fetchall())
        return [
            name
            for name, sql in self.sqlite.items()
            if present.get(name) != sql.strip()
        ]

    def _missing_on_postgresql(self, connection: BaseDatabaseWrapper) -> list[str]:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT tgname, prosrc, tgtype FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid"
                " WHERE tgrelid = %s::regclass AND tgenabled = 'A' AND tgqual IS NULL"
                " AND tgattr = ''",
                [self.table],
            )
            present = {name: (body, bits) for name, body, bits in cursor.fetchall()}
        return [
            name
            for name, trigger in self.postgresql.items()
            if present.get(name) != (trigger.body, trigger.bits)
        ]


@dataclass(frozen=True, slots=True)
class GuardRule:
    """What a trigger refuses: the row-level conditions, in SQL that both databases understand.

    `update`, `delete` and `insert` are true for the changes to refuse; they name OLD and NEW.
    "" refuses nothing, "1 = 1" everything. `message` is the error of the database.
    """

    message: str
    update: str = "1 = 1"
    delete: str = "1 = 1"
    insert: str = ""


def guard(table: str, rule: GuardRule) -> TriggerSet:
    """Return the triggers that refuse what a rule says, and TRUNCATE on PostgreSQL.

    On SQLite, REPLACE fires no delete trigger, so a new row may not have an id in use.
    """
    conditions = {"update": rule.update, "delete": rule.delete, "insert": rule.insert}
    return TriggerSet(
        table,
        sqlite={
            f"{table}_{verb}_guarded": _sqlite_trigger(table, verb, condition, rule)
            for verb, condition in conditions.items()
            if condition or verb == "insert"
        },
        postgresql={
            f"{table}_{verb}_guarded": _postgres_trigger(verb, condition, rule)
            for verb, condition in conditions.items()
            if condition
        }
        | {
            f"{table}_truncate_guarded": PostgresTrigger(
                "BEFORE TRUNCATE ON {} FOR EACH STATEMENT",
                f"\nBEGIN\n  {_raise(rule)}\nEND",
                34,
            )
        },
    )


def unequal(columns: Sequence[str]) -> str:
    """Return SQL that is true if a change alters one of these columns."""
    return " OR ".join(
        f"OLD.{column} IS DISTINCT FROM NEW.{column}" for column in columns
    )


def register(*sets: TriggerSet) -> None:
    """Name the tables that an app guards, for the system check and `manage.py guard_audit`."""
    for each in sets:
        _registered[each.table] = each


def registered(connection: BaseDatabaseWrapper) -> list[TriggerSet]:
    """Return the triggers of all guarded tables that exist, in the order of their names."""
    tables = set(connection.introspection.table_names())
    return [_registered[name] for name in sorted(tables & set(_registered))]


def rows_are_guarded(
    app_configs: Sequence[AppConfig] | None,  # noqa: ARG001 - Django's signature
    databases: Sequence[str] | None = None,
    **_: object,
) -> list[CheckMessage]:
    """Report guarded tables that lack triggers; a database not yet migrated is skipped."""
    return [
        Error(
            f"Rows of {each.table} can be changed. Missing triggers: {', '.join(missing)}.",
            hint="Find out who removed them, then install them with `manage.py guard_audit`.",
            obj=alias,
            id="accounts.E001",
        )
        for alias in databases or ()
        for each in registered(connections[alias])
        if (missing := each.missing(connections[alias]))
    ]


_registered: dict[str, TriggerSet] = {}
_BITS = {"insert": 7, "update": 19, "delete": 11}


def _raise(rule: GuardRule) -> str:
    return f"RAISE integrity_constraint_violation USING MESSAGE = '{rule.message}';"


def _postgres_trigger(verb: str, condition: str, rule: GuardRule) -> PostgresTrigger:
    row = "OLD" if verb == "delete" else "NEW"
    return PostgresTrigger(
        f"BEFORE {verb.upper()} ON {{}} FOR EACH ROW",
        f"\nBEGIN\n  IF {condition} THEN\n    {_raise(rule)}\n  END IF;\n  RETURN {row};\nEND",
        _BITS[verb],
    )


def _sqlite_trigger(table: str, verb: str, condition: str, rule: GuardRule) -> str:
    if verb == "insert":
        in_use = f"EXISTS (SELECT 1 FROM {table} WHERE id = NEW.id)"  # noqa: S608 - of constants
        condition = f"{in_use} OR ({condition})" if condition else in_use
    condition = condition.replace("IS DISTINCT FROM", "IS NOT")  # before SQLite 3.39
    return (
        f"CREATE TRIGGER {table}_{verb}_guarded BEFORE {verb.upper()} ON {table} FOR EACH ROW"
        f" WHEN {condition} BEGIN\n  SELECT RAISE(ABORT, '{rule.message}');\nEND"
    )
