"""`manage.py rebuild_usage [--account ID] [--month 2026-11] [--check]`: derive periods again."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from products.metering.commands import rebuild_usage
from products.metering.management.commands.usage import account_named, month_named
from products.metering.queries import differences


class Command(BaseCommand):
    """Derive periods again from the usage records, or compare them."""

    help = "Derives periods again from the usage records: of one account or all, of one month or all."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options; without any, all periods are derived."""
        parser.add_argument("--account", default="", help="its id, or its name")
        parser.add_argument("--month", default="", help="such as 2026-11")
        parser.add_argument(
            "--check",
            action="store_true",
            help="change nothing; exit with 1 if a period differs",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Rebuild and print how many there are, or print the periods that differ."""
        account, month = options["account"], options["month"]
        account_id = account_named(account).pk if account else ""
        chosen = month_named(month) if month else None
        if not options["check"]:
            now = timezone.now()
            rebuilt = rebuild_usage(account_id=account_id, month=chosen, now=now)
            self.stdout.write(f"Rebuilt {rebuilt} periods.")
            return
        found = list(differences(account_id=account_id, month=chosen))
        for each in found:
            self.stdout.write(str(each))
        wrong = [each for each in found if not each.is_stale]
        if wrong:
            raise CommandError(f"{len(wrong)} periods differ from the usage records.")
        periods = "All other periods" if found else "All periods"
        self.stdout.write(f"{periods} match the usage records.")
