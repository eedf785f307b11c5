"""`manage.py rebuild_usage [--account ID] [--month 2026-11]`: derive the periods again."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from products.metering.commands import rebuild_usage
from products.metering.management.commands.usage import account_named, month_named


class Command(BaseCommand):
    """Drop periods and derive them from the facts again: they are the same to the digest."""

    help = "Derives the periods of usage from the facts again, of one account and month or of all."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take which periods; without any, all."""
        parser.add_argument("--account", default="", help="its id, or its name")
        parser.add_argument("--month", default="", help="such as 2026-11")

    def handle(self, *args: Any, **options: Any) -> None:
        """Rebuild, and say how many periods there are."""
        account, month = options["account"], options["month"]
        rebuilt = rebuild_usage(
            account_id=account_named(account).pk if account else "",
            month=month_named(month) if month else None,
            now=timezone.now(),
        )
        self.stdout.write(f"{rebuilt} periods were derived from the facts.")
