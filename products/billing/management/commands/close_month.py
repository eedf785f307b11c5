"""`manage.py close_month 2026-10 [--account ID] [--finalize] [--now TIME]`: draft or finalise invoices."""

from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from accounts.actor import Actor, Interface
from accounts.errors import RefusalError
from accounts.models import Account
from products.billing.commands.closing import (
    bill_late_usage,
    draft_invoice,
    finalize_invoice,
)
from products.billing.models import Invoice
from products.billing.queries.invoices import accounts_to_bill
from products.metering.management.commands.usage import month_named
from products.months import Month


class Command(BaseCommand):
    """Close a month by hand, as the sweep does by itself."""

    help = "Drafts the invoices of a month, or makes them final. Running it again changes nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the month and the options."""
        parser.add_argument("month", metavar="MONTH", help="such as 2026-10")
        parser.add_argument("--account", default="", help="its id; all without")
        parser.add_argument(
            "--finalize", action="store_true", help="make the invoices final"
        )
        parser.add_argument(
            "--override",
            default="",
            metavar="REASON",
            help="with --finalize: also if the usage is not complete; the reason is kept",
        )
        parser.add_argument(
            "--now",
            default="",
            metavar="TIME",
            help="another time than now, in ISO 8601; in production one that has passed",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Close the month of each account; exit with 1 if one was refused."""
        month, now = month_named(options["month"]), _now(options["now"])
        if options["override"] and not options["finalize"]:
            raise CommandError("--override makes invoices final. Add --finalize.")
        accounts = accounts_to_bill(month)
        if options["account"]:
            accounts = Account.objects.filter(pk=options["account"])
            if not accounts:
                raise CommandError(f"There is no account {options['account']}.")
        if not accounts:
            self.stdout.write(f"No account has anything to bill in {month}.")
        refused = 0
        for number, account in enumerate(accounts, start=1):
            try:
                result = _close(account, month, now, options)
            except RefusalError as refusal:
                refused += 1
                result = " ".join([refusal.message, *refusal.details])
            self.stdout.write(f"{number}/{len(accounts)} {account}: {result}")
        if refused:
            raise CommandError(f"{refused} of {len(accounts)} accounts were refused.")


def _close(
    account: Account, month: Month, now: datetime, options: dict[str, Any]
) -> str:
    actor = Actor.system("close-month", interface=Interface.COMMAND)
    close: dict[str, Any] = {"account": account, "month": month, "now": now}
    made: list[Invoice | None]
    if not options["finalize"]:
        made = [draft_invoice(actor, **close)]
    else:
        close["override_reason"] = options["override"]
        made = [*bill_late_usage(actor, **close), finalize_invoice(actor, **close)]
    return "; ".join(_in_words(each) for each in made if each) or "nothing to bill"


def _in_words(invoice: Invoice) -> str:
    kind = " of late usage" if invoice.is_late_usage else ""
    name = f"final invoice {invoice}{kind}" if invoice.is_final else str(invoice)
    return f"{name}, {invoice.subtotal}, due {invoice.due}"


def _now(text: str) -> datetime:
    if not text:
        return timezone.now()
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise CommandError(f"'{text}' is not a time in ISO 8601.") from error
    instant = instant.astimezone(UTC) if instant.tzinfo else instant.replace(tzinfo=UTC)
    if settings.PRODUCTION and instant > timezone.now():
        # Entries of a trail are in order, so all that follows would be as late.
        raise CommandError(
            "Use a time that has passed. Else everything that the account changes until "
            "then would have this time, also when a product is enabled."
        )
    return instant
