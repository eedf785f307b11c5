"""Corrects final months: late usage becomes an adjustment, a correction downwards a credit note.

A month is rated again in its own tiers and price versions. What was billed for it in all then
equals the rounded amount of its true usage.
"""

from datetime import datetime

from accounts.actor import Actor
from accounts.audit.vocabulary import Event
from accounts.change import Trail, Unchanged, recorded_change
from accounts.errors import Conflict
from accounts.models import Account
from accounts.roles import Permission
from products.billing.commands.credits import add_credit
from products.billing.commands.lines import money_fact, next_number
from products.billing.models import Adjustment, Credit, CreditNote, Invoice
from products.billing.queries.bills import computed_bill
from products.billing.queries.corrections import UnbilledUsage, unbilled_usage
from products.months import Month, month_name


class NotFinal(Conflict):
    """The month has no final invoice that could be corrected."""

    code = "not_final"


class TooLate(Conflict):
    """The month takes no usage any more."""

    code = "too_late"


def correct_month(
    actor: Actor, *, account: Account, month: Month, now: datetime
) -> bool:
    """Compare a final month with its usage, and bill or credit the difference; return whether any.

    Raises Forbidden, NotFinal, and TooLate 35 days after the month's end. Notes
    usage.received_late and adjustment.made, or credit_note.issued.
    """
    final = Invoice.of_month(account, month).filter(status=Invoice.Status.FINAL)
    if not final.exists():
        raise NotFinal(f"{month} has no final invoice.")
    if now > month.closes_at(final[0].zone):
        raise TooLate(f"{month} takes no usage any more.")
    bill = computed_bill(account, month, now)
    differences: list[UnbilledUsage] = []
    with recorded_change(
        actor, Permission.INVOICE_MANAGE, on=account, now=now
    ) as trail:
        invoice = final.select_for_update().first()
        if invoice is None:
            raise NotFinal(f"{month} has no final invoice.")
        differences = unbilled_usage(invoice, bill.lines)
        if not differences:
            raise Unchanged
        for each in differences:
            if each.amount.micros > 0:
                _adjust(trail, invoice, each, trail.now)
            else:
                _credit(trail, invoice, each, actor, trail.now)
    return bool(differences)


def _adjust(
    trail: Trail, invoice: Invoice, found: UnbilledUsage, now: datetime
) -> None:
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
    trail: Trail, invoice: Invoice, found: UnbilledUsage, actor: Actor, now: datetime
) -> None:
    reason = f"The usage of {month_name(invoice.month)} was corrected."
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
