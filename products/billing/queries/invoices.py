"""Invoices of an account, accounts with due work, and the usage that a line rests on."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet, prefetch_related_objects

from accounts.actor import Actor
from accounts.errors import Invalid, NotFound
from accounts.models import Account
from accounts.paging import UNKNOWN_CURSOR
from accounts.policy import require
from accounts.roles import Permission
from products.billing.bill import Line
from products.billing.models import Adjustment, CreditNote, Invoice, InvoiceLine
from products.billing.queries.bills import computed_bill, unbilled_adjustments
from products.billing.queries.completeness import deleted_usage
from products.billing.queries.content import content_hash
from products.billing.queries.corrections import (
    Corrections,
    corrections_of,
    unbilled_usage,
)
from products.billing.queries.rows import (
    fill_invoice,
    fill_parties,
    invoice_rows,
)
from products.billing.queries.running import bill_so_far
from products.billing.queries.terms import contract_of
from products.catalogue.money import exact_sum
from products.enablement.models import Enablement
from products.instants import iso_hour, iso_instant, microseconds_of
from products.metering.models import UsagePeriod
from products.metering.queries.usage import (
    by_key,
    byte_rows,
    delivery_rows,
    earliest_month,
    key_range,
    last_rows,
    minutes_within,
    rows_before,
    service_ids_of,
)
from products.months import Month, midnights

_CHUNK = 5_000
# A month and a row; nine digits fit the database's integer.
_CURSOR = re.compile(r"[0-9]{4}-[0-9]{2}_[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class InvoiceDocument:
    """An invoice with its lines, and what has corrected it since; None for that of a running month."""

    invoice: Invoice
    lines: tuple[InvoiceLine, ...]
    corrections: Corrections | None = None

    @property
    def credit_notes(self) -> Sequence[CreditNote]:
        """Return the credit notes that correct it."""
        return self.corrections.credit_notes if self.corrections else ()

    @property
    def key(self) -> str:
        """Return what names the invoice in addresses: its number, or its month before it has one."""
        return self.invoice.number or self.invoice.month


@dataclass(frozen=True, slots=True)
class ConnectionOfLine:
    """A connection as a line counts it: its minutes are those within the line's period."""

    connection_id: str
    service: str
    edge: str
    started_at: str
    duration_us: int
    minutes: int


@dataclass(frozen=True, slots=True)
class BytesOfLine:
    """What a connection adds to a line of bandwidth, or the ordinary HTTP of a service in an hour.

    A connection has no `instance`, `hour` and `requests`; ordinary HTTP has no `connection_id`.
    """

    service: str
    edge: str
    bytes_from_client: int
    bytes_to_client: int
    connection_id: str | None = None
    instance: str | None = None
    hour: str | None = None
    requests: int | None = None


@dataclass(frozen=True, slots=True)
class InvoiceCheck:
    """How an invoice compares with its usage records, a sentence each.

    `changes` are of usage that was reported later and changes no amount; the rest is wrong.
    """

    differences: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()


def posted_invoices(account_id: str) -> "QuerySet[Invoice]":
    """Return the final and voided invoices of an account, newest first."""
    rows = Invoice.objects.filter(account_id=account_id, number__isnull=False)
    return rows.order_by("-month", "-pk")


def invoices_of(
    actor: Actor, account: Account, *, search: str = "", status: str = ""
) -> "QuerySet[Any]":
    """Return the invoices of months that are over, newest first. Raises Forbidden.

    `search` is a part of the number or of the month. Each row has the invoices that it replaces
    and that replaces it.
    """
    require(actor, Permission.BILLING_READ, account)
    rows = Invoice.objects.filter(account=account).exclude(status=Invoice.Status.OPEN)
    if search:
        rows = rows.filter(Q(number__icontains=search) | Q(month__contains=search))
    if status:
        rows = rows.filter(status=status)
    rows = rows.select_related("replaces", "replaced_by")
    return rows.order_by("-month", "-pk")


def before_cursor(rows: "QuerySet[Any]", cursor: str) -> "QuerySet[Any]":
    """Return the invoices older than a cursor of `cursor_of`; all without one. Raises Invalid."""
    if not cursor:
        return rows
    if not _CURSOR.fullmatch(cursor):
        raise Invalid(f"cursor: {UNKNOWN_CURSOR}", field="cursor")
    month, _, key = cursor.partition("_")
    return rows.filter(Q(month__lt=month) | Q(month=month, pk__lt=int(key)))


def cursor_of(invoice: Invoice) -> str:
    """Return the position of an invoice in a list."""
    return f"{invoice.month}_{invoice.pk}"


def invoice_document(
    actor: Actor, account: Account, key: str, now: datetime
) -> InvoiceDocument:
    """Return an invoice by its number, or by its month while it has none.

    That of the running month is computed now. Raises Forbidden; NotFound.
    """
    require(actor, Permission.BILLING_READ, account)
    rows = Invoice.objects.filter(account=account).select_related(
        "account", "replaces", "replaced_by"
    )
    invoice = rows.filter(number=key).first()
    if invoice is None:
        months = rows.filter(month=key, kind=Invoice.Kind.MONTH).exclude(
            status=Invoice.Status.VOID
        )
        invoice = months.first()
        if invoice is None or invoice.status == Invoice.Status.OPEN:
            running = running_document(account, now)
            if running.invoice.month == key:
                return running
    if invoice is None:
        raise NotFound("Invoice not found.")
    lines = invoice.lines.select_related("product", "price_version__plan", "invoice")
    lines = lines.prefetch_related("price_version__tiers")
    return InvoiceDocument(invoice, tuple(lines), corrections_of(invoice))


def running_document(account: Account, now: datetime) -> InvoiceDocument:
    """Return the bill of the month that runs as an invoice that is not saved."""
    bill = bill_so_far(account, now)
    invoice = Invoice(account=account, month=str(bill.month))
    fill_parties(invoice, account, contract_of(account.pk, bill.month))
    fill_invoice(invoice, bill)
    rows = invoice_rows(invoice, bill)
    prefetch_related_objects(
        rows, "product", "price_version__plan", "price_version__tiers"
    )
    return InvoiceDocument(invoice, tuple(rows))


def open_invoice(account_id: str, month: Month) -> Invoice | None:
    """Return the invoice of a month that is not final yet: open or a draft."""
    return unfinished_invoices().filter(account_id=account_id, month=str(month)).first()


def subtotal_in_words(invoice: Invoice) -> str:
    """Return the sum of the lines of an invoice that is not final: also "less than 0.01 USD"."""
    exact = invoice.lines.values_list("amount_exact", flat=True)
    return invoice.subtotal.in_words(exact_sum(map(Decimal, exact)))


def accounts_to_bill(month: Month) -> "QuerySet[Account]":
    """Return the accounts that may have something to bill in a month, by id.

    Those with an enablement, with usage in the month or in the one before, which can be late, with
    late usage to bill, or with an invoice up to the month that is not final.
    """
    ends_at = month.ends_at("UTC") + timedelta(days=1)  # in any zone
    enabled = Enablement.objects.filter(account=OuterRef("pk"), starts_at__lt=ends_at)
    used = UsagePeriod.objects.filter(
        account_id=OuterRef("pk"), month__in=[str(month.plus(-1)), str(month)]
    )
    late = unbilled_adjustments().filter(corrects__account=OuterRef("pk"))
    waiting = unfinished_invoices().filter(
        account=OuterRef("pk"), month__lte=str(month)
    )
    rows = Account.objects.filter(
        Q(Exists(enabled)) | Q(Exists(used)) | Q(Exists(late)) | Q(Exists(waiting))
    )
    return rows.order_by("pk")


def unfinished_invoices() -> "QuerySet[Invoice]":
    """Return the invoices that are not final yet: open or a draft."""
    return Invoice.objects.filter(
        status__in=[Invoice.Status.OPEN, Invoice.Status.DRAFT]
    )


def connections_of(line: InvoiceLine) -> Iterator[ConnectionOfLine]:
    """Yield the connections that a line of connection time rests on, always in the same order."""
    services = service_ids_of(line.invoice.account_id)
    earliest, ends_us = earliest_month(line.starts_at), microseconds_of(line.ends_at)
    keys = key_range(rows_before(services, earliest, ends_us))
    rows = last_rows(services, line.starts_at, line.ends_at, keys).annotate(
        counted=minutes_within(line.starts_at, line.ends_at)
    )
    names = ("connection_id", "service", "edge", "started_us", "duration_us", "counted")
    values = by_key(rows, keys, names)
    for key, service, edge, start, duration, counted in values:
        yield ConnectionOfLine(
            key, service, edge, iso_instant(start), duration, counted
        )


def bytes_of(line: InvoiceLine) -> Iterator[BytesOfLine]:
    """Yield what a line of bandwidth rests on, always in the same order: the rows of its digest.

    First each connection with its bytes of the month, then ordinary HTTP by hour.
    """
    services = service_ids_of(line.invoice.account_id)
    names = ("service", "edge", "bytes_from_client", "bytes_to_client")
    connections = byte_rows(services, line.invoice.month)
    keys = key_range(connections)
    for values in by_key(connections, keys, (*names, "connection_id")):
        yield BytesOfLine(*values)
    days = pairwise(midnights(line.starts_at, line.ends_at, line.invoice.zone))
    for start, end in days:  # a query for each, so that each is short
        rows = delivery_rows(services, start, end).order_by("hour", "pk")
        hours = rows.values_list("instance", "hour", "requests", *names)
        for instance, hour, requests, service, edge, received, sent in hours.iterator(
            _CHUNK
        ):
            yield BytesOfLine(
                *(service, edge, received, sent),
                instance=instance,
                hour=iso_hour(microseconds_of(hour)),
                requests=requests,
            )


def invoice_check(invoice: Invoice, now: datetime) -> InvoiceCheck:
    """Recompute an invoice from its usage records and compare them.

    The lines of a final invoice keep the usage of its time. So if it was corrected, they are
    compared together with its adjustments and credit notes, as the amount of each meter.
    Adjustments of other months are compared with their rows only. If the usage records were
    deleted because they were old, only its own content is checked.
    """
    rows = list(invoice.lines.all())
    found = []
    if invoice.content_hash and content_hash(invoice, rows) != invoice.content_hash:
        found.append("The content does not match its hash.")
    if sum(row.amount_micros for row in rows) != invoice.subtotal_micros:
        found.append("The lines do not add up to the subtotal.")
    own = [row for row in rows if row.kind != InvoiceLine.Kind.ADJUSTMENT]
    if not _has_its_late_usage(invoice, rows):
        found.append("The late usage that it bills is not that of its lines.")
    if invoice.is_late_usage:
        return InvoiceCheck(tuple(found))
    if deleted_usage(invoice.account_id, Month.read(invoice.month)):
        found.append(
            "The usage records of its month were deleted, so its lines can't be compared."
        )
        return InvoiceCheck(tuple(found))
    bill = computed_bill(invoice.account, Month.read(invoice.month), now)
    lines = [line for line in bill.lines if line.kind != "adjustment"]
    if invoice.adjustments.exists() or invoice.credit_notes.exists():
        return InvoiceCheck((*found, *_correction_differences(invoice, lines)))
    changes = tuple(_line_differences(own, lines))
    if unbilled_usage(invoice, lines):
        return InvoiceCheck((*found, *changes))
    return InvoiceCheck(tuple(found), changes)


def _has_its_late_usage(invoice: Invoice, rows: Sequence[InvoiceLine]) -> bool:
    """Tell whether the lines of late usage are those of the adjustments that it bills."""
    if not invoice.number or invoice.status == Invoice.Status.VOID:
        return True
    billed = Adjustment.objects.filter(billed_on=invoice)
    names = ("product_id", "meter", "quantity", "amount_micros")
    return sorted(billed.values_list("corrects__month", *names)) == sorted(
        (row.month, row.product_id, row.meter, row.quantity, row.amount_micros)
        for row in rows
        if row.kind == InvoiceLine.Kind.ADJUSTMENT
    )


def _correction_differences(invoice: Invoice, lines: Sequence[Line]) -> Iterator[str]:
    for each in unbilled_usage(invoice, lines):
        yield (
            f"{each.product}, {each.meter or 'fee'}: its usage costs {each.amount} more than "
            "its lines, adjustments and credit notes."
        )


def _line_differences(
    rows: Sequence[InvoiceLine], lines: Sequence[Line]
) -> Iterator[str]:
    if len(lines) != len(rows):
        yield f"It has {len(rows)} lines; its usage gives {len(lines)}."
    for row, line in zip(rows, lines, strict=False):
        pairs = {
            "kind": (row.kind, line.kind),
            "quantity": (row.quantity, line.quantity),
            "exact amount": (row.amount_exact, f"{line.exact:f}"),
            "amount": (row.amount_micros, line.amount.micros),
            "usage digest": (row.usage_digest, line.digest),
        }
        for name, (saved, computed) in pairs.items():
            if saved != computed:
                yield f"Line {row.position}: the {name} is {saved}; computed: {computed}."
