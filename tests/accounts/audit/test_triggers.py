"""Attacks on the table of the audit trail, on a migrated database."""

import pytest
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import IntegrityError, connection, connections, models, transaction
from django.db.backends.sqlite3.base import DatabaseWrapper
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader

from accounts.audit import triggers
from accounts.audit.checks import trail_is_append_only
from accounts.audit.models import AuditEvent
from tests.accounts.audit.writing import write

TABLE = triggers.TABLE
COLUMNS = [field.column for field in AuditEvent._meta.fields if field.column != "id"]
LAST_HASH = f"(SELECT event_hash FROM {TABLE} WHERE sequence = 2)"
GENESIS = "'" + "0" * 64 + "'"


def insert(verb="INSERT", conflict="", **replaced):
    """Write an INSERT of a copy of the first event with some columns replaced."""
    names = ["id", *COLUMNS] if "id" in replaced else COLUMNS
    values = ", ".join(str(replaced.get(name, name)) for name in names)
    selected = f"SELECT {values} FROM {TABLE} WHERE sequence = 1"
    return f"{verb} INTO {TABLE} ({', '.join(names)}) {selected} {conflict}"


FIRST_ID = f"(SELECT MIN(id) FROM {TABLE})"
ON_BOTH = {
    "update": f"UPDATE {TABLE} SET actor_label = 'Eve'",
    "update one row": f"UPDATE {TABLE} SET canonical = '' WHERE sequence = 2",
    "update of nothing": f"UPDATE {TABLE} SET actor_label = actor_label",
    "delete": f"DELETE FROM {TABLE}",
    "delete the last": f"DELETE FROM {TABLE} WHERE sequence = 2",
    "insert with a gap": insert(sequence=4, prev_hash=LAST_HASH),
    "insert below the first": insert(sequence=0, prev_hash=LAST_HASH),
    "insert with a number in use": insert(sequence=2, prev_hash=LAST_HASH),
    "insert with a wrong link": insert(sequence=3, prev_hash=GENESIS),
    "insert a first event that is the second": insert(
        account_id="'globex'", sequence=2
    ),
    "insert a first event with a link": insert(
        account_id="'globex'", prev_hash=LAST_HASH
    ),
    "upsert on the number": insert(
        sequence=2,
        prev_hash=LAST_HASH,
        conflict="ON CONFLICT (account_id, sequence) DO UPDATE SET actor_label = 'Eve'",
    ),
    "upsert on the id": insert(
        id=FIRST_ID,
        sequence=3,
        prev_hash=LAST_HASH,
        conflict="ON CONFLICT (id) DO UPDATE SET actor_label = 'Eve'",
    ),
}
ATTACKS = {
    "sqlite": ON_BOTH
    | {
        "replace a number": insert(
            "INSERT OR REPLACE", sequence=1, actor_label="'Eve'"
        ),
        "replace the last": insert("REPLACE", sequence=2, prev_hash="prev_hash"),
        "replace an id by the next number": insert(
            "INSERT OR REPLACE", id=FIRST_ID, sequence=3, prev_hash=LAST_HASH
        ),
        "insert or ignore with a gap": insert("INSERT OR IGNORE", sequence=9),
        "update or replace": f"UPDATE OR REPLACE {TABLE} SET sequence = 1 WHERE sequence = 2",
    },
    "postgresql": ON_BOTH
    | {
        "truncate": f"TRUNCATE {TABLE}",
        "truncate cascading": f"TRUNCATE {TABLE} RESTART IDENTITY CASCADE",
        "update as a replica": "SET LOCAL session_replication_role = replica;"
        f" UPDATE {TABLE} SET actor_label = 'Eve'",
        "delete as a replica": f"SET LOCAL session_replication_role = replica; DELETE FROM {TABLE}",
        "truncate as a replica": f"SET LOCAL session_replication_role = replica; TRUNCATE {TABLE}",
        "insert a gap as a replica": "SET LOCAL session_replication_role = replica;"
        + insert(sequence=4, prev_hash=LAST_HASH),
        "insert beside a table of the same name": f"CREATE TEMP TABLE {TABLE} (LIKE public.{TABLE});"
        + insert(sequence=1, account_id="account_id").replace(
            f" {TABLE} ", f" public.{TABLE} "
        ),
    },
}[connection.vendor]


@pytest.mark.django_db
@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_an_attack_is_refused(attack):
    write()
    write()
    before = list(AuditEvent.objects.order_by("id").values())

    with (
        pytest.raises(IntegrityError, match="audit trail"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(attack)

    assert list(AuditEvent.objects.order_by("id").values()) == before


@pytest.mark.django_db
def test_the_next_entry_of_the_chain_is_accepted():
    write()
    write()

    with connection.cursor() as cursor:
        cursor.execute(insert(sequence=3, prev_hash=LAST_HASH))

    assert AuditEvent.objects.count() == 3


def remade(fires):
    """Create the PostgreSQL trigger against changes again, to fire differently."""
    name = "audit_event_not_changed"
    return [
        f"DROP TRIGGER {name} ON {TABLE}",
        f"CREATE TRIGGER {name} BEFORE {fires} EXECUTE FUNCTION {name}()",
        f"ALTER TABLE {TABLE} ENABLE ALWAYS TRIGGER {name}",
    ]


HOLLOWED = {
    "sqlite": {
        "dropped": (
            ["DROP TRIGGER audit_event_not_deleted"],
            ["audit_event_not_deleted"],
        ),
        "left on the old table": (
            [
                f"ALTER TABLE {TABLE} RENAME TO old",
                f"CREATE TABLE {TABLE} (id integer)",
            ],
            sorted(triggers.SQLITE),
        ),
        "hollowed out": (
            [
                "DROP TRIGGER audit_event_not_updated",
                (
                    f"CREATE TRIGGER audit_event_not_updated BEFORE UPDATE ON {TABLE}"
                    " FOR EACH ROW BEGIN SELECT 1; END"
                ),
            ],
            ["audit_event_not_updated"],
        ),
    },
    "postgresql": {
        "dropped": (
            [f"DROP TRIGGER audit_event_not_changed ON {TABLE}"],
            ["audit_event_not_changed"],
        ),
        "disabled": (
            [f"ALTER TABLE {TABLE} DISABLE TRIGGER USER"],
            sorted(triggers.POSTGRESQL),
        ),
        "not always": (
            [f"ALTER TABLE {TABLE} ENABLE TRIGGER audit_event_appended_only"],
            ["audit_event_appended_only"],
        ),
        "hollowed out": (
            [
                (
                    "CREATE OR REPLACE FUNCTION audit_event_not_truncated() RETURNS trigger"
                    " LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'"
                )
            ],
            ["audit_event_not_truncated"],
        ),
        "on a condition": (
            remade(f"UPDATE OR DELETE ON {TABLE} FOR EACH ROW WHEN (false)"),
            ["audit_event_not_changed"],
        ),
        "on one column": (
            remade(f"UPDATE OF id OR DELETE ON {TABLE} FOR EACH ROW"),
            ["audit_event_not_changed"],
        ),
        "on updates alone": (
            remade(f"UPDATE ON {TABLE} FOR EACH ROW"),
            ["audit_event_not_changed"],
        ),
    },
}[connection.vendor]


@pytest.mark.django_db
@pytest.mark.parametrize("statements, missing", HOLLOWED.values(), ids=HOLLOWED)
def test_an_ineffective_trigger_is_reported_as_missing(statements, missing):
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)

    assert sorted(triggers.missing(connection)) == missing


@pytest.mark.django_db
def test_the_triggers_exist_after_every_migration():
    assert triggers.missing(connection) == []


@pytest.mark.django_db
def test_installing_twice_is_the_same_as_once():
    triggers.install(connection)
    triggers.install(connection)

    assert triggers.missing(connection) == []


@pytest.fixture
def rebuilt(db):
    """A SQLite database in memory, migrated, whose guarded table Django can rebuild."""
    database = DatabaseWrapper(connection.settings_dict | IN_MEMORY, alias="rebuilt")
    connections["rebuilt"] = database
    latest = MigrationLoader(None).graph.leaf_nodes("audit")
    MigrationExecutor(database).migrate(latest)
    yield database
    database.close()
    del connections["rebuilt"]


IN_MEMORY = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:", "OPTIONS": {}}


def test_rebuilding_the_table_drops_the_triggers_and_install_restores_them(
    rebuilt,
):
    longer = models.CharField(max_length=100)
    longer.set_attributes_from_name("action")
    assert triggers.missing(rebuilt) == []

    with rebuilt.schema_editor() as editor:
        editor.alter_field(AuditEvent, AuditEvent._meta.get_field("action"), longer)
    lost = triggers.missing(rebuilt)
    triggers.install(rebuilt)

    assert lost == list(triggers.SQLITE)
    assert triggers.missing(rebuilt) == []


@pytest.mark.django_db
def test_the_check_passes_if_the_triggers_exist():
    assert trail_is_append_only(None, databases=["default"]) == []


def test_the_check_reads_only_the_named_databases():
    assert trail_is_append_only(None) == []


@pytest.mark.django_db
def test_the_check_skips_a_database_without_the_table(monkeypatch):
    monkeypatch.setattr(triggers, "TABLE", "no_such_table")

    assert trail_is_append_only(None, databases=["default"]) == []


@pytest.mark.django_db
def test_the_check_fails_if_triggers_are_missing():
    triggers.remove(connection)

    [error] = trail_is_append_only(None, databases=["default"])

    assert error.id == "audit.E001"
    assert error.msg.startswith(
        "The audit trail is not protected. Missing triggers on audit_audit"
    )
    with pytest.raises(SystemCheckError, match=r"audit\.E001"):
        call_command("check", tags=["database"], databases=["default"])


@pytest.mark.django_db
def test_guard_audit_installs_missing_triggers(capsys):
    triggers.remove(connection)

    call_command("guard_audit")
    call_command("guard_audit")

    assert triggers.missing(connection) == []
    put_back, nothing_to_do = capsys.readouterr().out.splitlines()
    assert put_back.startswith("Installed: audit_event_appended_only, ")
    assert nothing_to_do == "All triggers are installed."
