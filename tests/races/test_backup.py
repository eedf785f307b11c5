"""A backup made while superusers write, restored into another database and checked."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import zipfile
from contextlib import closing, contextmanager
from dataclasses import replace
from types import SimpleNamespace
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from accounts.audit.models import AuditEvent
from accounts.models import Account
from portal import backup
from portal.backup import BackupError, read_manifest, restore_backup, write_backup
from tests.races.conftest import ROOT
from tests.races.postgresql import postgresql

OTHER_KEY = "another-secret-of-this-installation"
COMMANDS = """
import json, sys
import django
from django.core.management import call_command

django.setup()
for words in json.loads(sys.argv[1]):
    call_command(*words)
"""


def start(arena, *words):
    """Start `manage.py` on the arena's database."""
    return start_python(arena, "manage.py", *words)


def start_python(arena, *arguments):
    """Start Python on the arena's database."""
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=arena.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def manage(arena, *words):
    """Run `manage.py` on the arena's database; return its exit code and all that it prints."""
    with start(arena, *words) as process:
        printed, _ = process.communicate()
        return process.returncode, printed


def manage_all(arena, *commands):
    """Run commands of `manage.py` in one process, which loads Django once."""
    with start_python(arena, "-c", COMMANDS, json.dumps(commands)) as process:
        printed, _ = process.communicate()
        return process.returncode, printed


@contextmanager
def of_database(arena, url):
    """Return the arena of another database."""
    environment = arena.environment | {"DATABASE_URL": url}
    folder = arena.folder / "other"
    folder.mkdir()
    other = replace(arena, environment=environment, folder=folder)
    yield other
    other.stop()


@pytest.fixture
def other_arena(arena, tmp_path):
    """Return the arena with an empty database of its own."""
    if connection.vendor == "sqlite":
        with of_database(arena, f"sqlite:///{tmp_path / 'restored.sqlite3'}") as other:
            yield other
        return
    parts = urlsplit(arena.environment["DATABASE_URL"])
    name = f"{parts.path.removeprefix('/')}_restored"
    maintenance = urlunsplit(parts._replace(path="/postgres"))
    with psycopg.connect(maintenance, autocommit=True) as server:
        server.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        server.execute(f'CREATE DATABASE "{name}"')
    with of_database(arena, urlunsplit(parts._replace(path=f"/{name}"))) as other:
        yield other
    with psycopg.connect(maintenance, autocommit=True) as server:
        server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def test_a_backup_under_writing_load_is_restored_to_one_instant(
    arena, other_arena, tmp_path
):
    file = str(tmp_path / "backup")
    writer = arena.start("toggler", arena.people[0].pk)
    assert writer.line() == "ready\n"
    writer.order("toggle 2")
    writer.answer()
    entries = 4  # each change has two

    with start(arena, "backup", file) as copying:
        while copying.poll() is None:
            writer.order("toggle 2")
            writer.answer()
            entries += 4
        assert copying.returncode == 0, copying.stdout.read()
    writer.end()
    restored = other_arena.manage("restore", file)

    assert restored[0] == 0, restored
    assert "rows, 6 sums and" in restored[1]
    number = read_manifest(tmp_path / "backup").chains[arena.account.pk][0]
    assert 4 <= number <= entries
    found = other_arena.result()
    assert (found["is_valid"], found["checked"]) == (True, number)
    # No change is half there.
    events = found["events"]
    assert events["bill.changed"] * 2 == number
    assert found["enablements"] == events["product.enabled"]


@pytest.fixture
def made(arena, tmp_path):
    """Return a backup of the tests' own database."""
    path = tmp_path / "made"
    write_backup(path, now=timezone.now())
    return path


def test_a_backup_is_private_and_never_replaces_a_file_by_itself(made):
    with pytest.raises(CommandError, match="exists"):
        call_command("backup", str(made))

    assert made.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in made.parent.glob(".backup-*")] == []


def test_a_backup_has_ids_of_the_secrets_and_not_the_secrets(made, settings):
    text = zipfile.ZipFile(made).read(backup.MANIFEST).decode()

    assert json.loads(text)["keys"]["TOKEN_PEPPER"] == backup.key_id(
        settings.TOKEN_PEPPER
    )
    assert settings.SECRET_KEY not in text
    assert settings.ENCRYPTION_KEY not in text


def test_a_restore_replaces_no_database_unless_asked_to(made):
    with pytest.raises(CommandError, match="not empty"):
        call_command("restore", str(made))


def test_a_restore_refuses_without_the_secrets_and_accepts_them_as_fallbacks(
    made, settings
):
    pepper, settings.TOKEN_PEPPER = settings.TOKEN_PEPPER, OTHER_KEY
    with pytest.raises(BackupError, match="another TOKEN_PEPPER"):
        restore_backup(made, now=timezone.now())

    settings.TOKEN_PEPPER_FALLBACKS = [pepper]
    with pytest.raises(BackupError, match="not empty"):
        restore_backup(made, now=timezone.now())


@contextmanager
def open_connection(arena):
    """Keep a connection to the arena's database open, as a program of the portal does."""
    url = arena.environment["DATABASE_URL"]
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as opened:
            opened.execute("PRAGMA journal_mode=WAL")
            opened.execute("SELECT COUNT(*) FROM sqlite_master").fetchall()
            yield
        return
    with psycopg.connect(url):
        yield


def altered(made, **fields):
    """Return a copy of a backup whose manifest has other values."""
    path = made.with_name("altered")
    with zipfile.ZipFile(made) as old, zipfile.ZipFile(path, "w") as new:
        manifest = json.loads(old.read(backup.MANIFEST)) | fields
        new.writestr(backup.MANIFEST, json.dumps(manifest))
        new.writestr(backup.DATABASE, old.read(backup.DATABASE))
    return path


UNUSABLE = {
    "has format 2": {"format": 2},
    "is of oracle": {"database": "oracle"},
    "newer version": {"migrations": ["accounts.0999_later"]},
    "is not a backup": {"rows": None, "unknown": 1},
    "is damaged": {"sha256": "0" * 64},
}


def test_a_restore_refuses_before_it_changes_anything(made):
    refusals = {
        reason: refusal_of(altered(made, **fields))
        for reason, fields in UNUSABLE.items()
    }

    assert [reason for reason, text in refusals.items() if reason not in text] == []


def refusal_of(path):
    """Restore a file over the tests' own database; return why that is refused."""
    with pytest.raises(BackupError) as refused:
        restore_backup(path, now=timezone.now(), overwrite=True)
    return str(refused.value)


def test_a_restore_refuses_a_file_that_is_no_backup(tmp_path, arena):
    file = tmp_path / "file"
    shutil.copy(__file__, file)

    with pytest.raises(BackupError, match="is not a backup"):
        restore_backup(file, now=timezone.now())


def test_a_restore_refuses_while_a_program_uses_the_database_and_then_replaces_it(
    arena, made, other_arena
):
    wrong = altered(made, sums={"billable minutes": 7})

    code, printed = other_arena.manage("restore", str(wrong))
    assert (code, "the sum of billable minutes is 0, not 7" in printed) == (1, True), (
        printed
    )

    with open_connection(other_arena):
        refused = other_arena.manage("restore", str(made), "--overwrite")
    replaced = other_arena.manage("restore", str(made), "--overwrite")

    assert (refused[0], "Another program uses the database" in refused[1]) == (1, True)
    assert replaced[0] == 0, replaced
    if connection.vendor == "postgresql":
        analyzed = analyzed_tables(other_arena.environment["DATABASE_URL"])
        assert Account._meta.db_table in analyzed


def analyzed_tables(url):
    """Return the tables of which PostgreSQL has statistics."""
    with psycopg.connect(url) as server:
        rows = server.execute("SELECT DISTINCT tablename FROM pg_stats").fetchall()
    return {name for (name,) in rows}


@pytest.mark.postgresql
@pytest.mark.parametrize(
    "filling",
    [
        ["createaccount", "Old", "old@example.com"],
        pytest.param(["demo"], marks=pytest.mark.nightly),
    ],
)
def test_a_backup_of_sqlite_moves_to_postgresql_with_its_trail(filling, tmp_path):
    own = os.environ | {"DATA_DIR": str(tmp_path / "data")}
    old = f"sqlite:///{tmp_path / 'old.sqlite3'}"
    on_sqlite = SimpleNamespace(environment=own | {"DATABASE_URL": old})
    file = str(tmp_path / "backup")
    steps = (["migrate"], ["createcachetable"], filling, ["backup", file])
    prepared = manage_all(on_sqlite, *steps)
    assert prepared[0] == 0, prepared

    with postgresql() as server:
        on_postgresql = SimpleNamespace(environment=own | {"DATABASE_URL": server.url})
        code, printed = manage(on_postgresql, "restore", file)
        analyzed = analyzed_tables(server.url)
        # A new row gets an id that no row of the backup has.
        new = ["createaccount", "New", "new@example.com"]
        goes_on = manage_all(on_postgresql, ["verify_audit"], new)

    assert (code, "are as written" in printed) == (0, True), printed
    assert AuditEvent._meta.db_table in analyzed
    assert goes_on[0] == 0, goes_on
