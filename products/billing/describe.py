"""Lines of invoices in words: what they are for, how much, and at which rate."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from accounts.readable import counted
from products.billing.bill import BANDWIDTH
from products.billing.models import Adjustment, CreditNote, Invoice, InvoiceLine
from products.catalogue.models import PriceVersion
from products.catalogue.money import EXACT, Money, amount_in_words, unit_price
from products.catalogue.queries import tiered_price
from products.catalogue.tiers import METERS, tier_ranges
from products.months import month_name

# Below a bill that is not final.
CREDITS_NOTE = "Credits that are left are used when the invoice becomes final."
VOID_NOTE = "It is not to be paid. Credits that it used were returned to the account."
# Below every invoice.
NEVER_CHANGES_NOTE = "A final invoice never changes; corrections appear as credit notes or as lines of the next one."
MINUTES_NOTE = {
    InvoiceLine.Kind.ALLOWANCE: ", included",
    InvoiceLine.Kind.TRIAL: ", trial",
}


@dataclass(frozen=True, slots=True)
class TierText:
    """What of a line fell into a tier: its range, quantity, price and exact amount."""

    reach: str
    quantity: int
    unit_price: Decimal
    exact: Decimal


@dataclass(frozen=True, slots=True)
class LineText:
    """A line as people read it: `units` is the quantity in the unit of the price."""

    title: str
    detail: str
    units: Decimal
    unit: str
    rate: str
    amount: str
    tiers: tuple[TierText, ...]


def describe(line: InvoiceLine) -> LineText:
    """Return a line in words. Its product, price version and tiers are loaded."""
    currency = line.invoice.currency
    tiers = _tiers(line)
    return LineText(
        title=_title(line),
        detail=_detail(line),
        units=units_of(line),
        unit=_unit(line),
        rate=_rate(line, tiers),
        amount=Money(line.amount_micros, currency).in_words(Decimal(line.amount_exact)),
        tiers=tiers,
    )


def invoice_notes(invoice: Invoice) -> list[str]:
    """Return what an invoice says about others: what it replaces, why it is apart, that it is void."""
    notes = []
    if invoice.is_late_usage:
        notes.append(late_usage_note(invoice))
    if invoice.replaces:
        notes.append(f"It replaces invoice {invoice.replaces}, which is void.")
    if invoice.status == Invoice.Status.VOID:
        notes += [VOID_NOTE, _replaced_by(invoice)]
    return notes


def late_usage_note(invoice: Invoice) -> str:
    """Return why late usage is billed apart."""
    return (
        f"This invoice has only late usage of months that were invoiced in {invoice.currency}. "
        f"{month_name(invoice.month)} itself is invoiced in another currency."
    )


def due_label(invoice: Invoice) -> str:
    """Return the label of what is to be paid."""
    is_void = invoice.status == Invoice.Status.VOID
    return "To pay until it was voided" if is_void else "To pay"


def period_label(invoice: Invoice) -> str:
    """Return the label of the period of an invoice."""
    return "Billed with" if invoice.is_late_usage else "Period"


def _replaced_by(invoice: Invoice) -> str:
    following = invoice.replacement
    if following is None:
        return "No invoice replaces it yet."
    if following.number:
        return f"Invoice {following} replaces it."
    return "The invoice that replaces it is a draft."


def credit_note_text(note: CreditNote) -> str:
    """Return what a credit note is for: the product and meter, and its reason."""
    return f"{note.product.name}, {_meter_name(note.meter)}: {note.reason}"


def adjustment_text(adjustment: Adjustment) -> str:
    """Return what an adjustment is for: the product and meter, and why."""
    return f"{adjustment.product.name}, {_meter_name(adjustment.meter)}: {_late(adjustment.meter)}"


def _late(meter: str) -> str:
    return "late usage" if meter else "correction"


def _meter_name(meter: str) -> str:
    names = {"": "monthly fee", BANDWIDTH: "bandwidth"}
    return names.get(meter, "connection time")


def units_of(line: InvoiceLine) -> Decimal:
    """Return the quantity in the unit of the price: million minutes, GB; months of a fee."""
    if not line.meter:
        return Decimal(1)
    return EXACT.divide(Decimal(line.quantity), Decimal(METERS[line.meter].unit_size))


def period_text(starts_at: datetime, ends_at: datetime) -> str:
    """Return a half-open period in UTC: 1 Oct 2026 00:00 to 1 Nov 2026 00:00 UTC."""
    return f"{_minute(starts_at)} to {_minute(ends_at)} UTC"


def _minute(at: datetime) -> str:
    utc = at.astimezone(UTC)
    return f"{utc.day} {utc:%b %Y %H:%M}"


def _title(line: InvoiceLine) -> str:
    if line.kind == InvoiceLine.Kind.INFORMATIONAL:
        return "of which WebSockets"
    what = f"{line.product.name}, {_meter_name(line.meter)}"
    if line.kind == InvoiceLine.Kind.ADJUSTMENT:
        return f"{what}: {_late(line.meter)} of {month_name(line.month)}"
    return f"{what}{MINUTES_NOTE.get(InvoiceLine.Kind(line.kind), '')}"


def _detail(line: InvoiceLine) -> str:
    if line.kind == InvoiceLine.Kind.FEE:
        return f"{counted(line.quantity, 'day')} of the month"
    if line.kind == InvoiceLine.Kind.INFORMATIONAL:
        return "For information: it is charged once, in the line above."
    if line.kind == InvoiceLine.Kind.ADJUSTMENT:
        return "Rated in the tiers and at the price of its own month."
    period = period_text(line.starts_at, line.ends_at)
    if line.meter == BANDWIDTH:
        return (
            f"{counted(line.quantity, 'byte')} of all traffic, WebSockets included. "
            f"{period}."
        )
    minutes = counted(line.quantity, "connection minute")
    return f"{minutes} from {counted(line.connections, 'connection')}. {period}."


def _unit(line: InvoiceLine) -> str:
    if not line.meter:
        return "month"
    return "GB" if line.meter == BANDWIDTH else "million minutes"


def _rate(line: InvoiceLine, tiers: tuple[TierText, ...]) -> str:
    if len(tiers) == 1:
        price = amount_in_words(tiers[0].unit_price)
        return f"{price} per {METERS[line.meter].short_unit}"
    if tiers:
        return "in tiers"
    if line.kind == InvoiceLine.Kind.FEE and line.price_version is not None:
        return str(Money(line.price_version.fee_micros, line.invoice.currency).amount)
    return ""


def _tiers(line: InvoiceLine) -> tuple[TierText, ...]:
    reaches = _reaches(line.price_version) if line.price_version else {}
    return tuple(
        TierText(
            reach=reaches.get(each["up_to"], "") or "all",
            quantity=each["quantity"],
            unit_price=unit_price(each["unit_price_nanos"]),
            exact=Decimal(each["amount_exact"]),
        )
        for each in line.tiers
    )


def _reaches(price: PriceVersion) -> dict[int | None, str]:
    tiers = tiered_price(price).tiers
    ranges = tier_ranges(tiers, METERS[price.meter].short_unit)
    return {tier.up_to: reach for tier, reach in zip(tiers, ranges, strict=True)}
