"""`manage.py restore FILE`: put a backup into the database, and check it."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from portal.backup import BackupError, restore_backup


class Command(BaseCommand):
    """Restore a backup; the portal's programs must be stopped."""

    help = (
        "Restore a backup into an empty database. Checks rows, sums and audit trails, signs "
        "everyone out, and makes edges resend all usage they still have."
    )
    requires_system_checks = ()  # an empty database has no tables to check

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the options."""
        parser.add_argument("file", type=Path, metavar="FILE")
        parser.add_argument(
            "--overwrite",
            action="store_true",
            help="replace a database that is not empty; what it has is lost",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Restore, and print what was checked."""
        try:
            manifest = restore_backup(
                options["file"], now=timezone.now(), overwrite=options["overwrite"]
            )
        except BackupError as error:
            raise CommandError(str(error)) from error
        entries = sum(number for number, _ in manifest.chains.values())
        self.stdout.write(
            f"Restored the backup of {manifest.created_at}: "
            f"{sum(manifest.rows.values()):,} rows, {len(manifest.sums)} sums and "
            f"{entries:,} audit entries are as written."
        )
        self.stdout.write(
            "All users are signed out. Edges resend all usage they still have (24 hours)."
        )
