"""`manage.py check_invoice NUMBER`: recompute an invoice from its usage records."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from products.billing.models import Invoice
from products.billing.queries.invoices import invoice_check


class Command(BaseCommand):
    """Compare a final invoice with its usage records; changes nothing."""

    help = "Recomputes every line of an invoice and prints what differs; exits with 1 if an amount does."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the number."""
        parser.add_argument("number", metavar="NUMBER", help="such as INV-000001")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print what differs."""
        rows = Invoice.objects.select_related("account")
        invoice = rows.filter(number=options["number"]).first()
        if invoice is None:
            raise CommandError(
                f"There is no invoice {options['number']}. Enter a number such as INV-000001."
            )
        found = invoice_check(invoice, timezone.now())
        for each in (*found.differences, *found.changes):
            self.stdout.write(each)
        if found.differences:
            raise CommandError(f"{invoice} differs from its usage records.")
        if found.changes:
            self.stdout.write(
                f"{invoice}: its usage changed after it became final, but no amount differs."
            )
            return
        lines = invoice.lines.count()
        self.stdout.write(
            f"{invoice}: all {lines} lines{_corrections(invoice)} match their usage records."
        )


def _corrections(invoice: Invoice) -> str:
    """Return what corrects the lines and was compared with them, in words."""
    notes = [note.number for note in invoice.credit_notes.order_by("pk")]
    late = ["late usage"] if invoice.adjustments.exists() else []
    return f" with {' and '.join([*late, *notes])}" if late or notes else ""
