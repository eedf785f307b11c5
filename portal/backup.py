"""A backup: one file with the database and a manifest, against which a restore is checked.

The file is a ZIP archive of `database` and `manifest.json`. It has the ids of the secrets that the
database needs, and not the secrets.
"""

import hashlib
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from allauth.usersessions.models import UserSession
from django.apps import apps
from django.conf import settings
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader

from accounts.actor import Actor, Interface
from accounts.audit.queries import accounts_with_trail, verify
from portal.database_copy import (
    CopyError,
    RowReader,
    copied_to,
    read_rows,
    replace_by,
    replace_by_sqlite,
)
from products.metering.commands import declare_restored

FORMAT: Final = 1
DATABASE: Final = "database"
MANIFEST: Final = "manifest.json"
MAX_MANIFEST_BYTES: Final = 16 * 1024 * 1024
KEYS: Final = ("SECRET_KEY", "TOKEN_PEPPER", "ENCRYPTION_KEY")
# Totals of what is billed; both databases compute them exactly, in integers.
SUMS: Final = {
    "connection microseconds": "SELECT SUM(duration_us) FROM metering_connectionusage",
    "connection bytes": (
        "SELECT SUM(bytes_from_client + bytes_to_client) FROM metering_connectionusage"
    ),
    "delivery bytes": (
        "SELECT SUM(bytes_from_client + bytes_to_client) FROM metering_deliveryusage"
    ),
    "billable minutes": "SELECT SUM(minutes) FROM metering_usageperiod",
    "invoiced micro-units": "SELECT SUM(due_micros) FROM billing_invoice",
    "invoice line micro-units": "SELECT SUM(amount_micros) FROM billing_invoiceline",
}


class BackupError(Exception):
    """A backup cannot be written or restored; the sentence says why and what to do."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup contains: `chains` are heads by account (sequence and hash), `rows` by table."""

    format: int
    created_at: str
    database: str  # sqlite or postgresql
    sha256: str  # of the copy
    keys: Mapping[str, str]
    migrations: tuple[str, ...]
    chains: Mapping[str, tuple[int, str]]
    rows: Mapping[str, int]
    sums: Mapping[str, int]


def write_backup(path: Path, *, now: datetime, overwrite: bool = False) -> Manifest:
    """Write a backup (0600) while the portal runs, and return its manifest.

    The file appears only when it is complete. Raises BackupError if it exists and is not to be
    overwritten, and if the database cannot be copied.
    """
    _require_free(path, overwrite=overwrite)
    with _folder_beside(path) as folder:
        copy = folder / DATABASE
        try:
            with copied_to(copy) as rows:
                manifest = _describe(copy, rows, now)
        except CopyError as error:
            raise BackupError(str(error)) from error
        draft = folder / "backup"
        with zipfile.ZipFile(
            draft, "x", zipfile.ZIP_DEFLATED, compresslevel=1
        ) as archive:
            archive.writestr(MANIFEST, json.dumps(asdict(manifest), indent=2))
            archive.write(copy, DATABASE)
        _put_in_place(draft, path, overwrite=overwrite)
    return manifest


def read_manifest(path: Path) -> Manifest:
    """Return the manifest of a backup. Raises BackupError if the file is not one."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open(MANIFEST) as file:
            known = json.loads(file.read(MAX_MANIFEST_BYTES))
        chains = {key: (int(n), str(h)) for key, (n, h) in known["chains"].items()}
        migrations = tuple(known["migrations"])
        manifest = Manifest(**known | {"chains": chains, "migrations": migrations})
    except (OSError, zipfile.BadZipFile, KeyError, TypeError, ValueError) as error:
        raise BackupError(f"{path} is not a backup: {error}.") from error
    if manifest.format != FORMAT:
        raise BackupError(f"{path} has format {manifest.format}, not {FORMAT}.")
    return manifest


def restore_backup(path: Path, *, now: datetime, overwrite: bool = False) -> Manifest:
    """Restore a backup, check the result, and return the manifest.

    A backup of SQLite can be restored into PostgreSQL, with the version that wrote it.
    The programs of the portal must be stopped. All users are signed out, and edges resend what the
    backup lacks: this notes database.restored. Raises BackupError; before the database is replaced
    if the file is damaged, needs other secrets or newer code, or if the database has tables and is
    not to be overwritten.
    """
    manifest = read_manifest(path)
    _require_suitable(manifest)
    if not overwrite and connection.introspection.table_names():
        raise BackupError(
            "The database is not empty. Use an empty one, or replace it with --overwrite."
        )
    with _folder_beside(settings.DATA_DIR / DATABASE) as folder:
        copy = folder / DATABASE
        _extract(path, copy, manifest)
        try:
            if manifest.database == connection.vendor:
                replace_by(copy)
            else:
                replace_by_sqlite(copy)
        except CopyError as error:
            raise BackupError(str(error)) from error
    _require_same(manifest)
    call_command("migrate", interactive=False, verbosity=0)
    call_command("createcachetable", verbosity=0)
    _require_valid_chains(manifest)
    _end_sessions()
    actor = Actor.system("restored", interface=Interface.COMMAND)
    declare_restored(actor, now=now)
    return manifest


def key_id(key: str) -> str:
    """Return the id of a secret: the first 16 digits of a hash."""
    return hashlib.sha256(f"tollgate-key-id\n{key}".encode()).hexdigest()[:16]


def _describe(copy: Path, rows: RowReader, now: datetime) -> Manifest:
    chains = rows("SELECT account_id, sequence, event_hash FROM audit_chainhead")
    migrations = rows("SELECT app, name FROM django_migrations ORDER BY app, name")
    tables = sorted(
        {model._meta.db_table for model in apps.get_models(include_auto_created=True)}  # noqa: SLF001 - Django's own name
    )
    return Manifest(
        format=FORMAT,
        created_at=now.isoformat(),
        database=connection.vendor,
        sha256=_sha256(copy),
        keys={name: key_id(getattr(settings, name)) for name in KEYS},
        migrations=tuple(f"{app}.{name}" for app, name in migrations),
        chains={account: (number, end) for account, number, end in chains},
        rows=_count(rows, tables),
        sums=_sums(rows),
    )


def _count(rows: RowReader, tables: list[str] | tuple[str, ...]) -> dict[str, int]:
    return {
        table: int(rows(f'SELECT COUNT(*) FROM "{table}"')[0][0])  # noqa: S608 - tables of models
        for table in tables
    }


def _sums(rows: RowReader) -> dict[str, int]:
    return {name: int(rows(query)[0][0] or 0) for name, query in SUMS.items()}


def _require_free(path: Path, *, overwrite: bool) -> None:
    if path.exists() and not overwrite:
        raise BackupError(f"{path} exists. Choose another name, or use --overwrite.")


def _require_suitable(manifest: Manifest) -> None:
    """Raise BackupError if this code, with these settings, cannot use the backup."""
    moves = (manifest.database, connection.vendor) == ("sqlite", "postgresql")
    if manifest.database != connection.vendor and not moves:
        raise BackupError(
            f"The backup is of {manifest.database}, but DATABASE_URL is {connection.vendor}."
        )
    unknown = [name for name in KEYS if manifest.keys.get(name) not in key_ids(name)]
    if unknown:
        raise BackupError(
            f"The backup needs another {', '.join(unknown)}. Put the earlier value into the "
            "variable, or into the one that ends in _FALLBACKS."
        )
    loader = MigrationLoader(None)
    known = {f"{app}.{name}" for app, name in loader.disk_migrations}
    newer = sorted(set(manifest.migrations) - known)
    if newer:
        raise BackupError(
            f"The backup is of a newer version, with {newer[0]}. Install that version first."
        )
    if moves and (older := sorted(known - set(manifest.migrations))):
        raise BackupError(
            f"The backup is of an older version, without {older[0]}. Upgrade the SQLite database "
            "first, and move a backup of it then."
        )


def key_ids(name: str) -> set[str]:
    """Return the ids of a secret's present value and of its earlier ones."""
    keys = [getattr(settings, name), *getattr(settings, f"{name}_FALLBACKS")]
    return {key_id(key) for key in keys}


def _extract(path: Path, copy: Path, manifest: Manifest) -> None:
    try:
        with (
            zipfile.ZipFile(path) as archive,
            archive.open(DATABASE) as packed,
            copy.open("xb") as file,
        ):
            shutil.copyfileobj(packed, file, 1024 * 1024)
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise BackupError(f"{path} is damaged: {error}.") from error
    if _sha256(copy) != manifest.sha256:
        raise BackupError(f"{path} is damaged: its database is not the one written.")


def _require_same(manifest: Manifest) -> None:
    """Compare rows and sums of the restored database with the manifest. Raises BackupError."""
    found = {
        "rows of": _count(read_rows, tuple(manifest.rows)),
        "sum of": _sums(read_rows),
    }
    written = {"rows of": manifest.rows, "sum of": manifest.sums}
    for what, figures in written.items():
        for name, expected in figures.items():
            if found[what].get(name, expected) != expected:
                raise BackupError(
                    f"After the restore the {what} {name} is {found[what][name]}, not {expected}."
                )


def _require_valid_chains(manifest: Manifest) -> None:
    """Verify every chain, and that it ends where the manifest says. Raises BackupError."""
    for account in sorted({*accounts_with_trail(), *manifest.chains}):
        result = verify(account)
        if not result.is_valid:
            raise BackupError(
                f"The audit trail of {account} is broken: {result.reason}."
            )
    heads = read_rows("SELECT account_id, sequence, event_hash FROM audit_chainhead")
    if {account: (n, end) for account, n, end in heads} != dict(manifest.chains):
        raise BackupError("The audit trail does not end where the backup ended.")


def _end_sessions() -> None:
    """Sign everyone out: a session that ended since the backup would be valid again."""
    UserSession.objects.all().delete()
    Session.objects.all().delete()


@contextmanager
def _folder_beside(path: Path) -> Iterator[Path]:
    """Create a private folder in the folder of a file, and delete it at the end."""
    try:
        folder = tempfile.mkdtemp(prefix=".backup-", dir=path.absolute().parent)
    except OSError as error:
        raise BackupError(f"{path.parent} cannot be written: {error}.") from error
    try:
        yield Path(folder)
    finally:
        shutil.rmtree(folder)


def _put_in_place(draft: Path, path: Path, *, overwrite: bool) -> None:
    """Give a complete file its name; a file that came meanwhile is not replaced."""
    draft.chmod(0o600)
    with draft.open("rb") as file:
        os.fsync(file.fileno())
    if overwrite:
        draft.replace(path)
        return
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        _require_free(path, overwrite=False)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
