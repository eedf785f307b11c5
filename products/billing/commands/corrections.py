"""Corrects final months: late usage becomes an adjustment, a correction downwards a credit note.

A month is rated again in its own tiers and price versions. What was billed for it in all then
equals the rounded amount of its true usage.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from accounts.actor import Actor
from accounts.audit.vocabulary import Event
from accounts.change import Trail, Unchanged, recorded_change
from accounts.errors import Conflict
from accounts.models import Account
from accounts.roles import Permission
from products.billing.bill import Line
from products.billing.commands.credits import add_credit
from products.billing.commands.lines import money_fact, next_number
from products.billing.models import Adjustment, Credit, CreditNote, Invoice
from products.billing.queries.bills import computed_bill
from products.catalogue.money import Money
from products.months import Month

Key = tuple[str, str]  # product and meter


class NotFinal(Conflict):
    """The month has no final invoice that could be corrected."""

    code = "not_final"


class TooLate(Conflict):
    """The month takes no usage any more."""

    code = "too_late"


@dataclass(frozen=True, slots=True)
class _Difference:
    """How much more, or less, a month's usage on a meter is than what was billed."""

    product: str
    meter: str
    quantity: int
    amount: Money


def correct_month(
    actor: Actor, *, account: Account, month: Month, now: datetime
) -> bool:
    """Compare a final month with its usage, and bill or credit the difference; return whether any.

    Raises Forbidden, NotFinal, and TooLate 35 days after the month's end. Notes
    usage.received_late and adjustment.made, or credit_note.issued.
    """
    final = Invoice.objects.filter(
        account=account, month=str(month), status=Invoice.Status.FINAL
    )
    if not final.exists():
        raise NotFinal(f"{month} has no final invoice.")
    if now > month.closes_at(final[0].zone):
        raise TooLate(f"{month} takes no usage any more.")
    bill = computed_bill(account, month, now)
    differences: list[_Difference] = []
    with recorded_change(
        actor, Permission.INVOICE_MANAGE, on=account, now=now
    ) as trail:
        invoice = final.select_for_update().first()
        if invoice is None:
            raise NotFinal(f"{month} has no final invoice.")
        differences = _differences(invoice, bill.lines)
        if not differences:
            raise Unchanged
        for each in differences:
            if each.amount.micros > 0:
                _adjust(trail, invoice, each, now)
            else:
                _credit(trail, invoice, each, actor, now)
    return bool(differences)


def _differences(invoice: Invoice, lines: Iterable[Line]) -> list[_Difference]:
    quantities: Counter[Key] = Counter()
    amounts: Counter[Key] = Counter()
    for line in lines:
        if line.kind in {"usage", "fee"}:
            quantities[line.product, line.meter] += line.quantity
            amounts[line.product, line.meter] += line.amount.micros
    for row in invoice.lines.filter(kind__in=["usage", "fee"]):
        quantities[row.product_id, row.meter] -= row.quantity
        amounts[row.product_id, row.meter] -= row.amount_micros
    for adjustment in invoice.adjustments.all():
        quantities[adjustment.product_id, adjustment.meter] -= adjustment.quantity
        amounts[adjustment.product_id, adjustment.meter] -= adjustment.amount_micros
    for note in invoice.credit_notes.all():
        quantities[note.product_id, note.meter] += note.quantity
        amounts[note.product_id, note.meter] += note.amount_micros
    return [
        _Difference(*key, quantities[key], Money(amount, invoice.currency))
        for key, amount in sorted(amounts.items())
        if amount
    ]


def _adjust(trail: Trail, invoice: Invoice, found: _Difference, now: datetime) -> None:
    Adjustment.objects.create(
        corrects=invoice,
        product_id=found.product,
        meter=found.meter,
        quantity=found.quantity,
        amount_micros=found.amount.micros,
        found_at=now,
    )
    target = ("invoice", str(invoice.pk), str(invoice))
    after = {
        "month": invoice.month,
        "meter": found.meter,
        "quantity": found.quantity,
        "amount": money_fact(found.amount),
    }
    trail.note(
        Event.USAGE_RECEIVED_LATE, target=target, product=found.product, after=after
    )
    trail.note(
        Event.ADJUSTMENT_MADE,
        target=target,
        product=found.product,
        after=after,
        reason="Usage arrived after the month was closed.",
    )


def _credit(
    trail: Trail, invoice: Invoice, found: _Difference, actor: Actor, now: datetime
) -> None:
    reason = f"The usage of {invoice.month} was corrected."
    credit = add_credit(
        Credit(
            account=invoice.account,
            source=Credit.Source.CREDIT_NOTE,
            currency=invoice.currency,
            amount_micros=-found.amount.micros,
            reason=reason,
            granted_at=now,
            granted_by=actor.words,
        )
    )
    note = CreditNote.objects.create(
        number=next_number("credit_note", "CN"),
        invoice=invoice,
        credit=credit,
        product_id=found.product,
        meter=found.meter,
        quantity=-found.quantity,
        amount_micros=-found.amount.micros,
        reason=reason,
        issued_at=now,
        issued_by=actor.words,
    )
    trail.note(
        Event.CREDIT_NOTE_ISSUED,
        target=("credit_note", str(note.pk), note.number),
        product=found.product,
        after={
            "invoice": invoice.number,
            "meter": found.meter,
            "quantity": found.quantity,
            "amount": money_fact(-found.amount),
        },
        reason=reason,
    )
