"""`manage.py usage ACCOUNT 2026-11 [--json]`: usage of an account in a month."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import Account
from products.calendars import calendar_of
from products.metering.queries import ConnectionTotals, Usage, usage_of
from products.months import Month
from products.services.models import Service


class Command(BaseCommand):
    """Print an account's usage of a month, by service."""

    help = "Prints what an account used in a month of its billing zone."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add account, month and format."""
        parser.add_argument("account", metavar="ACCOUNT", help="its id, or its name")
        parser.add_argument("month", metavar="MONTH", help="such as 2026-11")
        parser.add_argument("--json", action="store_true", dest="as_json")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the totals; exit with 1 if the account or month does not exist."""
        account = account_named(options["account"])
        usage = usage_of(account.pk, month_named(options["month"]))
        if options["as_json"]:
            self.stdout.write(json.dumps(usage.to_json()))
            return
        for line in _lines(account, usage):
            self.stdout.write(line)


def account_named(text: str) -> Account:
    """Return the account with an id or a unique name. Raises CommandError."""
    found = Account.objects.filter(pk=text) or Account.objects.filter(name=text)[:2]
    if not found:
        raise CommandError(f"There is no account '{text}'.")
    if len(found) > 1:
        raise CommandError(f"Several accounts are called '{text}'; give the id.")
    return found[0]


def month_named(text: str) -> Month:
    """Return a month. Raises CommandError."""
    try:
        return Month.read(text)
    except ValueError as error:
        raise CommandError(f"'{text}' is not a month such as 2026-11.") from error


def _lines(account: Account, usage: Usage) -> list[str]:
    names = dict(Service.objects.filter(account=account).values_list("pk", "name"))
    delivery = usage.total_delivery
    until = usage.complete_to.isoformat() if usage.complete_to else "unknown"
    zone = calendar_of(account).zone_in(Month.read(usage.month))
    header = "minutes", "connections", "bytes from client", "bytes to client"
    return [
        f"{account.name} ({account.pk}) in {usage.month}, {zone}",
        _line("", *header),
        *(
            _totals(names.get(key, ""), each)
            for key, each in sorted(usage.services.items())
        ),
        _totals("total", usage.total),
        f"  ordinary HTTP: {delivery.requests:,} requests",
        f"  its bytes: {delivery.bytes_from_client:,} from clients, {delivery.bytes_to_client:,} to them",
        f"  complete to: {until}",
        f"  open disputes: {usage.disputes}",
    ]


def _totals(name: str, totals: ConnectionTotals) -> str:
    return _line(name, *(f"{value:,}" for value in totals.to_json().values()))


def _line(name: str, *columns: str) -> str:
    return f"  {name:30}" + "".join(f"{column:>19}" for column in columns)
