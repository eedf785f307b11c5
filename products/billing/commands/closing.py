"""Closes months: drafts, finalises and voids invoices.

A bill is computed before the account is locked, because ten million connections take minutes.
Under the lock, the terms are compared with those of the bill. Usage that arrives in between is late
usage, which becomes an adjustment.
"""

from datetime import datetime, timedelta

from accounts.actor import Actor
from accounts.audit.vocabulary import Event
from accounts.change import Trail, Unchanged, recorded_change
from accounts.commands.reasons import clean_reason
from accounts.errors import Conflict, Invalid
from accounts.models import Account
from accounts.roles import Permission
from products.billing.commands.lines import money_fact, next_number, write_bill
from products.billing.commands.running import active_invoice
from products.billing.commands.uninvoiced import unmark_uninvoiced
from products.billing.credit_use import credits_used
from products.billing.models import Adjustment, CreditEntry, Invoice
from products.billing.queries.bills import (
    Bill,
    computed_bill,
    late_usage_bill,
    other_currencies,
    pending_adjustments,
)
from products.billing.queries.completeness import (
    GRACE,
    deleted_usage,
    final_at,
    missing_usage,
)
from products.billing.queries.content import content_hash
from products.billing.queries.credits import credits_for
from products.billing.queries.invoices import unfinished_invoices
from products.billing.queries.rows import fill_parties
from products.billing.queries.terms import contract_of, period_of, terms_of
from products.catalogue.money import Money
from products.months import Month


class MonthNotOver(Invalid):
    """The month still runs, or has not started."""

    code = "month_not_over"


class NotComplete(Conflict):
    """The usage of the month is not complete; the details name what is missing."""

    code = "not_complete"


class UsageDeleted(Conflict):
    """The usage records of the month were deleted, so its bill cannot be computed."""

    code = "usage_deleted"


class TermsChanged(Conflict):
    """Prices or enablements changed while the bill was computed."""

    code = "terms_changed"


def draft_invoice(
    actor: Actor, *, account: Account, month: Month, now: datetime
) -> Invoice | None:
    """Draft the invoice of a month that is over, or compute its draft again.

    Returns None if there is nothing to bill and no draft: no product was enabled and nothing was
    used. A final invoice is returned as it is. Raises Forbidden, MonthNotOver, UsageDeleted,
    CurrencyConflict and TermsChanged. Notes invoice.drafted.
    """
    _check_over(account, month, now)
    _check_not_deleted(account, month)
    bill = computed_bill(account, month, now)
    if not bill.has_something and not _is_begun(account, month):
        unmark_uninvoiced(account, month)
        return None
    invoice: Invoice | None = None
    with recorded_change(
        actor, Permission.INVOICE_MANAGE, on=account, now=now
    ) as trail:
        invoice = active_invoice(account, month) or Invoice(
            account=account, month=str(month)
        )
        if invoice.is_final:
            raise Unchanged
        _write_draft(invoice, bill, trail.now)
        trail.note(
            Event.INVOICE_DRAFTED,
            target=_target(invoice),
            after={
                "month": invoice.month,
                "subtotal": money_fact(invoice.subtotal),
                "counted_at": invoice.counted_at.isoformat(),
            },
        )
    return invoice


def finalize_invoice(
    actor: Actor,
    *,
    account: Account,
    month: Month,
    now: datetime,
    override_reason: str = "",
) -> Invoice | None:
    """Make the invoice of a month final: with a number, the credits used, and a content hash.

    It waits for three days after the end of the month, and until all usage has arrived and no
    dispute is open; a person can override this with a reason. Running it again changes nothing.
    Returns None if there is nothing to bill and no draft. Raises Forbidden, MonthNotOver,
    NotComplete, UsageDeleted, CurrencyConflict and TermsChanged. Notes invoice.finalized, and
    credit.used per credit.
    """
    override_reason = clean_reason(override_reason, required=False)
    _check_over(account, month, now)
    months = Invoice.of_month(account, month)
    final = months.filter(status=Invoice.Status.FINAL).first()
    if final is not None:
        return final
    _check_not_deleted(account, month)
    bill = computed_bill(account, month, now)
    if not bill.has_something and not _is_begun(account, month):
        unmark_uninvoiced(account, month)
        return None
    invoice: Invoice | None = None
    with recorded_change(
        actor, Permission.INVOICE_MANAGE, on=account, now=now
    ) as trail:
        invoice = active_invoice(account, month) or Invoice(
            account=account, month=str(month)
        )
        if invoice.is_final:
            raise Unchanged
        _write_draft(invoice, bill, trail.now)
        if not override_reason:
            _check_complete(invoice, trail.now)
        invoice.override_reason = override_reason
        _finalize(trail, invoice, actor, trail.now)
    return invoice


def bill_late_usage(
    actor: Actor,
    *,
    account: Account,
    month: Month,
    now: datetime,
    override_reason: str = "",
) -> list[Invoice]:
    """Make the invoices of late usage that the invoice of a month can't bill: one per currency.

    That is usage of earlier months which were invoiced in another currency. They become final when
    the invoice of the month can: after three days, or with a reason. Running it again changes
    nothing. Raises Forbidden, MonthNotOver and CurrencyConflict. Notes invoice.finalized, and
    credit.used per credit.
    """
    override_reason = clean_reason(override_reason, required=False)
    _check_over(account, month, now)
    if now < period_of(account, month).ends_at + GRACE and not override_reason:
        return []
    currency = terms_of(account, month).currency
    made = []
    for each in other_currencies(account, month, currency):
        with recorded_change(
            actor, Permission.INVOICE_MANAGE, on=account, now=now
        ) as trail:
            invoice = Invoice(
                account=account,
                month=str(month),
                currency=each,
                kind=Invoice.Kind.LATE_USAGE,
                override_reason=override_reason,
            )
            bill = late_usage_bill(account, month, each, trail.now)
            if not bill.lines or _is_late_usage_billed(invoice):
                raise Unchanged
            _fill_draft(invoice, bill, trail.now)
            _finalize(trail, invoice, actor, trail.now)
            made.append(invoice)
    return made


def _is_late_usage_billed(new: Invoice) -> bool:
    """Tell whether the month has such an invoice already: what was found later waits for the next."""
    rows = Invoice.objects.filter(
        account_id=new.account_id,
        month=new.month,
        currency=new.currency,
        kind=new.kind,
    )
    return rows.exclude(status=Invoice.Status.VOID).exists()


def void_invoice(
    actor: Actor, *, invoice: Invoice, reason: str, now: datetime
) -> Invoice:
    """Void a final invoice; its credits are returned, and its month can be invoiced again.

    Raises Forbidden; Invalid without a reason; Conflict for an invoice that is not final, or that
    a credit note or an adjustment has corrected. Notes invoice.voided.
    """
    reason = clean_reason(reason)
    with recorded_change(
        actor, Permission.INVOICE_MANAGE, on=invoice.account, now=now
    ) as trail:
        row = Invoice.objects.select_for_update().get(pk=invoice.pk)
        if not row.is_final:
            raise Conflict("Only a final invoice can be voided.")
        if row.credit_notes.exists() or row.adjustments.exists():
            raise Conflict("An invoice that was corrected cannot be voided.")
        row.status, row.voided_at = Invoice.Status.VOID, trail.now
        row.voided_by, row.void_reason = actor.words, reason
        row.save()
        CreditEntry.objects.bulk_create(
            CreditEntry(
                credit_id=entry.credit_id,
                account_id=row.account_id,
                invoice=row,
                kind=CreditEntry.Kind.RETURNED,
                amount_micros=-entry.amount_micros,
                at=trail.now,
            )
            for entry in row.credit_entries.filter(kind=CreditEntry.Kind.USED)
        )
        trail.note(
            Event.INVOICE_VOIDED,
            target=_target(row),
            before={"status": "final"},
            after={"status": "void", "due": money_fact(row.due)},
            reason=reason,
        )
    return row


def _is_begun(account: Account, month: Month) -> bool:
    """Tell whether the month has an invoice; it stays, also if all of its usage was voided."""
    return unfinished_invoices().filter(account=account, month=str(month)).exists()


def _check_over(account: Account, month: Month, now: datetime) -> None:
    ends_at = period_of(account, month).ends_at
    if now < ends_at:
        raise MonthNotOver(
            f"{month} is not over yet; it ends at {ends_at:%Y-%m-%d %H:%M} UTC.",
            field="month",
        )


def _check_not_deleted(account: Account, month: Month) -> None:
    if deleted_usage(account.pk, month):
        raise UsageDeleted(
            f"The usage records of {month} were deleted, so its bill can't be computed."
        )


def _check_complete(invoice: Invoice, now: datetime) -> None:
    if now < final_at(invoice):
        raise NotComplete(
            f"The invoice can become final at {final_at(invoice):%Y-%m-%d %H:%M} UTC.",
        )
    missing = missing_usage(invoice)
    if missing:
        raise NotComplete(
            "The usage of the month is not complete.",
            details=[each.sentence for each in missing],
        )


def _write_draft(invoice: Invoice, bill: Bill, now: datetime) -> None:
    """Save the bill as a draft. Raises TermsChanged if it is not based on the terms of now."""
    account = invoice.account
    unmark_uninvoiced(account, bill.month)
    pending = sum(
        each.amount_micros
        for each in pending_adjustments(account.pk, bill.month, bill.terms.currency)
    )
    adjusted = sum(
        line.amount.micros for line in bill.lines if line.kind == "adjustment"
    )
    if terms_of(account, bill.month) != bill.terms or pending != adjusted:
        raise TermsChanged("The terms changed while the bill was computed. Try again.")
    _fill_draft(invoice, bill, now)


def _fill_draft(invoice: Invoice, bill: Bill, now: datetime) -> None:
    account = invoice.account
    invoice.status = Invoice.Status.DRAFT
    invoice.drafted_at = invoice.drafted_at or now
    invoice.replaces = invoice.replaces or _voided_before(invoice)
    fill_parties(invoice, account, contract_of(account.pk, bill.month))
    write_bill(invoice, bill)


def _voided_before(invoice: Invoice) -> Invoice | None:
    """Return the voided invoice that a new one replaces; None if there is none."""
    rows = Invoice.objects.filter(
        account_id=invoice.account_id,
        kind=invoice.kind,
        status=Invoice.Status.VOID,
        replaced_by=None,
    )
    if invoice.is_late_usage:  # it can be billed with a later month
        return rows.filter(currency=invoice.currency).order_by("pk").last()
    return rows.filter(month=invoice.month).order_by("pk").last()


def _finalize(trail: Trail, invoice: Invoice, actor: Actor, now: datetime) -> None:
    uses = credits_used(
        invoice.subtotal,
        credits_for(invoice),
    )
    used = sum((each.amount for each in uses), start=Money(0, invoice.currency))
    invoice.credits_micros = used.micros
    invoice.due_micros = (invoice.subtotal - used).micros
    invoice.finalized_at, invoice.finalized_by = now, actor.words
    invoice.due_on = (now + timedelta(days=invoice.payment_terms_days)).date()
    # Drawn last, because every account waits for this row.
    invoice.number = next_number("invoice", "INV")
    invoice.content_hash = content_hash(invoice, invoice.lines.all())
    invoice.status = Invoice.Status.FINAL
    invoice.save()
    month = Month.read(invoice.month)
    for row in pending_adjustments(invoice.account_id, month, invoice.currency):
        Adjustment.objects.filter(pk=row.pk).update(billed_on=invoice)
    trail.note(
        Event.INVOICE_FINALIZED,
        target=_target(invoice),
        after={
            "number": invoice.number,
            "month": invoice.month,
            "subtotal": money_fact(invoice.subtotal),
            "credits": money_fact(invoice.credits),
            "due": money_fact(invoice.due),
            "content_hash": invoice.content_hash,
        }
        | ({"replaces": invoice.replaces.number} if invoice.replaces else {})
        | ({"late_usage_in": invoice.currency} if invoice.is_late_usage else {}),
        reason=invoice.override_reason,
    )
    for use in uses:
        CreditEntry.objects.create(
            credit_id=use.id,
            account_id=invoice.account_id,
            invoice=invoice,
            kind=CreditEntry.Kind.USED,
            amount_micros=-use.amount.micros,
            at=now,
        )
        trail.note(
            Event.CREDIT_USED,
            target=_target(invoice),
            after={"credit": use.id, "amount": money_fact(use.amount)},
        )


def _target(invoice: Invoice) -> tuple[str, str, str]:
    return ("invoice", str(invoice.pk), invoice.number or f"Draft of {invoice.month}")
