"""`manage.py rebuild_usage [--account ID] [--month 2026-11] [--check]`: derive the periods again."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from products.metering.commands import rebuild_usage
from products.metering.management.commands.usage import account_named, month_named
from products.metering.queries import differences


class Command(BaseCommand):
    """Drop periods and derive them from the facts again: they are the same to the digest."""

    help = "Derives the periods of usage from the facts again, of one account and month or of all."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take which periods; without any, all."""
        parser.add_argument("--account", default="", help="its id, or its name")
        parser.add_argument("--month", default="", help="such as 2026-11")
        parser.add_argument(
            "--check", action="store_true", help="change nothing; exit 1 if one differs"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Rebuild and say how many there are, or check and name those that differ from the facts."""
        account, month = options["account"], options["month"]
        account_id = account_named(account).pk if account else ""
        chosen = month_named(month) if month else None
        if not options["check"]:
            now = timezone.now()
            rebuilt = rebuild_usage(account_id=account_id, month=chosen, now=now)
            self.stdout.write(f"{rebuilt} periods were derived from the facts.")
            return
        found = list(differences(account_id=account_id, month=chosen))
        for each in found:
            self.stdout.write(str(each))
        wrong = [each for each in found if not each.has_moved]
        if wrong:
            raise CommandError(f"{len(wrong)} periods differ from the facts.")
        those = "All other periods" if found else "All periods"
        self.stdout.write(f"{those} say what the facts say.")
