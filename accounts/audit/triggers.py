"""The triggers that keep the trail append-only, on SQLite and on PostgreSQL."""

from collections.abc import Mapping
from typing import Final

from django.db.backends.base.base import BaseDatabaseWrapper

from accounts.audit.chain import GENESIS
from accounts.triggers import PostgresTrigger, TriggerSet

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
POSTGRESQL: Mapping[str, PostgresTrigger] = {
    "audit_event_appended_only": PostgresTrigger(
        "BEFORE INSERT ON {} FOR EACH ROW", _APPENDED_ONLY, 7
    ),
    "audit_event_not_changed": PostgresTrigger(
        "BEFORE UPDATE OR DELETE ON {} FOR EACH ROW", _REFUSED, 27
    ),
    "audit_event_not_truncated": PostgresTrigger(
        "BEFORE TRUNCATE ON {} FOR EACH STATEMENT", _REFUSED, 34
    ),
}


TRIGGERS: Final = TriggerSet(TABLE, SQLITE, POSTGRESQL)
install = TRIGGERS.install
remove = TRIGGERS.remove
missing = TRIGGERS.missing


def is_guarded_table_present(connection: BaseDatabaseWrapper) -> bool:
    """Return whether the trail's table exists."""
    return TABLE in connection.introspection.table_names()
