"""The triggers that keep the trail append-only, on SQLite and on PostgreSQL.

Django alters a SQLite table by rebuilding it, which drops its triggers. So every migration that
changes a guarded table calls `install` last.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from django.db.backends.base.base import BaseDatabaseWrapper

from accounts.audit.chain import GENESIS

TABLE = "audit_auditevent"

# REPLACE fires no delete trigger, so the insert trigger refuses every row that would replace one:
# a row whose sequence is not the next, and one whose id is in use.
SQLITE: Mapping[str, str] = {
    "audit_event_appended_only": f"""
CREATE TRIGGER audit_event_appended_only BEFORE INSERT ON {TABLE} FOR EACH ROW BEGIN
  SELECT RAISE(ABORT, 'audit trail: the id is in use')
    WHERE EXISTS (SELECT 1 FROM {TABLE} WHERE id = NEW.id);
  SELECT RAISE(ABORT, 'audit trail: not the next number of the chain')
    WHERE NEW.sequence IS NOT
      (SELECT COALESCE(MAX(sequence), 0) + 1 FROM {TABLE} WHERE account_id = NEW.account_id);
  SELECT RAISE(ABORT, 'audit trail: not chained to the last event')
    WHERE NEW.prev_hash IS NOT COALESCE(
      (SELECT event_hash FROM {TABLE} WHERE account_id = NEW.account_id
        ORDER BY sequence DESC LIMIT 1), '{GENESIS}');
END""",  # noqa: S608 - of constants
    "audit_event_not_updated": f"""
CREATE TRIGGER audit_event_not_updated BEFORE UPDATE ON {TABLE} FOR EACH ROW BEGIN
  SELECT RAISE(ABORT, 'audit trail: events are not changed');
END""",
    "audit_event_not_deleted": f"""
CREATE TRIGGER audit_event_not_deleted BEFORE DELETE ON {TABLE} FOR EACH ROW BEGIN
  SELECT RAISE(ABORT, 'audit trail: events are not deleted');
END""",
}


@dataclass(frozen=True, slots=True)
class _Guard:
    """A PostgreSQL trigger: when it fires, its function, and the expected `pg_trigger.tgtype`."""

    fires: str
    body: str
    bits: int


# TG_RELID is the guarded table itself, whatever else the search path finds by its name.
_APPENDED_ONLY = f"""
DECLARE
  last_sequence bigint;
  last_hash text;
BEGIN
  EXECUTE format('SELECT sequence, event_hash FROM %s WHERE account_id = $1
    ORDER BY sequence DESC LIMIT 1', TG_RELID::regclass)
    INTO last_sequence, last_hash USING NEW.account_id;
  IF NEW.sequence IS DISTINCT FROM COALESCE(last_sequence, 0) + 1 THEN
    RAISE integrity_constraint_violation
      USING MESSAGE = 'audit trail: not the next number of the chain';
  END IF;
  IF NEW.prev_hash IS DISTINCT FROM COALESCE(last_hash, '{GENESIS}') THEN
    RAISE integrity_constraint_violation
      USING MESSAGE = 'audit trail: not chained to the last event';
  END IF;
  RETURN NEW;
END"""  # noqa: S608 - of constants
_REFUSED = """
BEGIN
  RAISE integrity_constraint_violation
    USING MESSAGE = 'audit trail: events are not changed or deleted';
END"""
POSTGRESQL: Mapping[str, _Guard] = {
    "audit_event_appended_only": _Guard(
        "BEFORE INSERT ON {} FOR EACH ROW", _APPENDED_ONLY, 7
    ),
    "audit_event_not_changed": _Guard(
        "BEFORE UPDATE OR DELETE ON {} FOR EACH ROW", _REFUSED, 27
    ),
    "audit_event_not_truncated": _Guard(
        "BEFORE TRUNCATE ON {} FOR EACH STATEMENT", _REFUSED, 34
    ),
}


def install(connection: BaseDatabaseWrapper) -> None:
    """Install the triggers, replacing those of the same names; may run twice."""
    remove(connection)
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            for statement in SQLITE.values():
                cursor.execute(statement)
            return
        for name, guard in POSTGRESQL.items():
            cursor.execute(
                f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql"
                f" AS $guard${guard.body}$guard$"
            )
            cursor.execute(
                f"CREATE TRIGGER {name} {guard.fires.format(TABLE)} EXECUTE FUNCTION {name}()"
            )
            # Without ALWAYS, session_replication_role = replica would disable it.
            cursor.execute(f"ALTER TABLE {TABLE} ENABLE ALWAYS TRIGGER {name}")


def remove(connection: BaseDatabaseWrapper) -> None:
    """Remove the triggers; for `install`, and for tests that clear tables."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            for name in SQLITE:
                cursor.execute(f"DROP TRIGGER IF EXISTS {name}")
            return
        for name in POSTGRESQL:
            cursor.execute(f"DROP TRIGGER IF EXISTS {name} ON {TABLE}")


def missing(connection: BaseDatabaseWrapper) -> list[str]:
    """Return the names of triggers that are absent, disabled or different from `install`'s."""
    if connection.vendor == "sqlite":
        return _missing_on_sqlite(connection)
    return _missing_on_postgresql(connection)


def is_guarded_table_present(connection: BaseDatabaseWrapper) -> bool:
    """Return whether the trail's table exists."""
    return TABLE in connection.introspection.table_names()


def _missing_on_sqlite(connection: BaseDatabaseWrapper) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = %s",
            [TABLE],
        )
        present = dict(cursor.fetchall())
    return [name for name, sql in SQLITE.items() if present.get(name) != sql.strip()]


def _missing_on_postgresql(connection: BaseDatabaseWrapper) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tgname, prosrc, tgtype FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid"
            " WHERE tgrelid = %s::regclass AND tgenabled = 'A' AND tgqual IS NULL AND tgattr = ''",
            [TABLE],
        )
        present = {name: (body, bits) for name, body, bits in cursor.fetchall()}
    return [
        name
        for name, guard in POSTGRESQL.items()
        if present.get(name) != (guard.body, guard.bits)
    ]
