"""`manage.py backup FILE`: write the database and a manifest into one file."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts.audit.vocabulary import Event
from accounts.commands.operations import OPERATOR, note_operation
from portal.backup import BackupError, write_backup


class Command(BaseCommand):
    """Write a backup while the portal runs."""

    help = (
        "Back up the database while the portal runs. The secrets are not in the file: keep "
        "SECRET_KEY, TOKEN_PEPPER and ENCRYPTION_KEY elsewhere."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the options."""
        parser.add_argument("file", type=Path, metavar="FILE")
        parser.add_argument(
            "--overwrite", action="store_true", help="replace FILE if it exists"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Write the file, and print what it contains."""
        path: Path = options["file"]
        now = timezone.now()
        try:
            manifest = write_backup(path, now=now, overwrite=options["overwrite"])
        except BackupError as error:
            raise CommandError(str(error)) from error
        rows = sum(manifest.rows.values())
        note_operation(
            OPERATOR,
            event=Event.DATABASE_BACKED_UP,
            target=("backup", path.name[:255], path.name[:255]),
            after={"rows": rows, "bytes": path.stat().st_size},
            now=now,
        )
        self.stdout.write(
            f"{path}: {rows:,} rows in {len(manifest.rows)} tables, "
            f"{len(manifest.chains):,} audit trails, {path.stat().st_size:,} bytes."
        )
        self.stdout.write(
            "It needs these secrets: "
            + ", ".join(f"{name} {each}" for name, each in manifest.keys.items())
        )
