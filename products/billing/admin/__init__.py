"""Contracts, invoices, credits and budgets in the admin: read-only, in money.

Forms assign contracts, grant credits, make invoices final or void, and void usage of an edge, by
the usual commands.
"""

from datetime import datetime
from decimal import Decimal
from functools import partial
from http import HTTPStatus
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.utils.html import format_html

from accounts.actor import Actor
from accounts.admin_pages import (
    NOTHING,
    ReadOnlyAdmin,
    ReadOnlyInline,
    ReasonForm,
    account_link,
    admin_url,
    row_or_404,
    set_filter,
)
from accounts.authentication import staff_actor_of
from accounts.errors import Conflict, Invalid, NotFound
from accounts.lists import DateInput, names_in_words
from accounts.models import MAX_REASON_LENGTH, Account
from products.billing.admin import prices  # noqa: F401 - registers its pages
from products.billing.bill import BANDWIDTH
from products.billing.commands import (
    ContractTerms,
    assign_contract,
    draft_invoice,
    finalize_invoice,
    grant_credit,
    void_invoice,
)
from products.billing.models import (
    DEFAULT_PAYMENT_TERMS_DAYS,
    Adjustment,
    Budget,
    BudgetAlert,
    Contract,
    Credit,
    CreditEntry,
    CreditNote,
    Invoice,
    InvoiceLine,
    NumberSeries,
    UninvoicedMonth,
)
from products.billing.queries.completeness import (
    final_at,
    missing_usage,
    months_to_invoice,
    obstacle,
)
from products.billing.queries.terms import (
    contract_of,
    currency_of,
    month_at,
)
from products.billing.queries.voids import void_review
from products.calendars import calendar_of
from products.catalogue.forms import CurrencyField
from products.catalogue.money import Money
from products.metering.commands import void_usage
from products.metering.models import MAX_EDGE_NAME_LENGTH, Edge, UsageVoid
from products.metering.queries.voids import EdgeTime
from products.months import Month, month_name
from products.units import bytes_in_words

READ = "The account's members can read it. It is kept in the audit trail."


class ContractForm(forms.Form):
    """What an account has agreed with sales, from a month on."""

    from_month = forms.CharField(
        help_text="The running month or a later one, e.g. 2026-12. A change of the time zone can "
        "start with the next month at the earliest.",
    )
    currency = CurrencyField()
    billing_zone = forms.CharField(
        label="Billing time zone", max_length=64, help_text="E.g. Europe/Berlin."
    )
    payment_terms_days = forms.IntegerField(label="Days to pay", min_value=0)
    buyer = forms.CharField(
        required=False,
        help_text="Name and address on the invoice; the account's name if this is empty.",
        widget=forms.Textarea({"rows": 4}),
    )
    tax_note = forms.CharField(required=False, max_length=300)
    reason = forms.CharField(help_text=READ, widget=forms.Textarea({"rows": 2}))

    def clean_from_month(self) -> Month:
        """Return the month."""
        try:
            return Month.read(self.cleaned_data["from_month"])
        except ValueError as error:
            raise forms.ValidationError("Enter a month such as 2026-12.") from error


class CreditForm(forms.Form):
    """A credit that the next invoices use."""

    amount = forms.DecimalField(max_digits=13, decimal_places=3)
    currency = CurrencyField()
    expires_on = forms.DateField(
        required=False,
        label="Last day",
        widget=DateInput(),
        help_text="It is used by the invoices of months that end on this day or before. "
        "Empty: it does not expire.",
    )
    reason = forms.CharField(help_text=READ, widget=forms.Textarea({"rows": 2}))


class FinalForm(forms.Form):
    """Why an invoice becomes final although something is missing."""

    override_reason = forms.CharField(
        label="Reason to do it now", widget=forms.Textarea({"rows": 2})
    )

    def __init__(self, *args: object, waits_for: str) -> None:
        super().__init__(*args)  # type: ignore[arg-type]  # Django's own arguments
        self.fields["override_reason"].help_text = f"{waits_for} {READ}"


class UsageVoidForm(forms.Form):
    """Which time of an edge counts for nothing, and why."""

    edge = forms.CharField(
        label="Name of the edge",
        max_length=MAX_EDGE_NAME_LENGTH,
        help_text="In full. If you enter a part of it, you see which edges match.",
    )
    starts_at = forms.DateTimeField(
        label="From (UTC)",
        help_text="E.g. 2026-11-28 04:00:00. Connections that started from here on are voided.",
    )
    ends_at = forms.DateTimeField(
        label="To (UTC)",
        help_text="Connections that started from here on count again. At the latest now.",
    )
    reason = forms.CharField(
        max_length=MAX_REASON_LENGTH,
        help_text="Members of every affected account can read it. It is kept in the audit trail.",
        widget=forms.Textarea({"rows": 2}),
    )

    def clean_edge(self) -> str:
        """Return the name; of a part of names, say whose."""
        typed: str = self.cleaned_data["edge"]
        edges = Edge.objects.filter(name__icontains=typed).order_by("name")
        names = list(edges.values_list("name", flat=True).distinct())
        if typed in names:
            return typed
        if names:
            raise forms.ValidationError(
                f"Enter the name in full: {names_in_words(names, word='or')}."
            )
        raise forms.ValidationError("Enter the name of an edge. No edge matches.")

    @property
    def period(self) -> EdgeTime:
        """Return the time that was typed."""
        typed = self.cleaned_data
        return EdgeTime(typed["edge"], typed["starts_at"], typed["ends_at"])


@admin.register(Contract)
class ContractAdmin(ReadOnlyAdmin):
    """What accounts have agreed with sales."""

    trail_type = "contract"
    list_display = (
        *("account", "from_month", "currency", "billing_zone"),
        *("payment_terms_days", "assigned_by", "assigned_at"),
    )
    list_select_related = ("account",)
    search_fields = ("=account__id", "account__name")
    search_help_text = "A part of the account's name, or its ID in full"
    ordering = ("-from_month", "account__name", "-pk")
    own_pages = (
        ("assign/<str:account_id>/", "assign_view", "billing_contract_assign"),
    )

    def assign_view(self, request: HttpRequest, account_id: str) -> HttpResponse:
        """Assign a contract to an account."""
        account = row_or_404(Account, account_id)
        month = month_at(account, timezone.now())
        current = contract_of(account.pk, month)
        initial = {
            "from_month": month.plus(1),
            "currency": currency_of(account, month),
            "billing_zone": calendar_of(account).zone_in(month.plus(1)),
            "payment_terms_days": current.payment_terms_days
            if current
            else DEFAULT_PAYMENT_TERMS_DAYS,
            "buyer": current.buyer if current else "",
            "tax_note": current.tax_note if current else "",
        }

        def command(
            actor: Actor, *, from_month: Month, reason: str, now: datetime, **terms: Any
        ) -> Month:
            assign_contract(
                actor,
                account=account,
                terms=ContractTerms(**terms),
                from_month=from_month,
                reason=reason,
                now=now,
            )
            return from_month

        return self.command_form_view(
            request,
            ContractForm(request.POST or None, initial=initial),
            command,
            title=f"Assign a contract to {account}",
            button="Assign contract",
            done=lambda month: f"Assigned a contract to {account} from {month} on.",
            back=account,
        )


def _measured(meter: str, quantity: int) -> str:
    """Return a quantity with its unit: bytes, minutes, or the days of a fee."""
    if meter == BANDWIDTH:
        return bytes_in_words(quantity)
    unit = "minute" if meter else "day"
    return f"{quantity:,} {unit}{'' if quantity == 1 else 's'}"


class LineInline(ReadOnlyInline):
    """The lines of an invoice."""

    model = InvoiceLine
    fields = readonly_fields = (
        *("position", "kind", "month", "product", "price_version"),
        *("measured", "connections", "amount_exact", "amount"),
    )

    @admin.display(description="quantity")
    def measured(self, line: InvoiceLine) -> str:
        """Return the quantity with its unit."""
        return _measured(line.meter, line.quantity)

    @admin.display(description="amount")
    def amount(self, line: InvoiceLine) -> str:
        """Return the rounded amount."""
        return str(Money(line.amount_micros, line.invoice.currency))


class CreditNoteInline(ReadOnlyInline):
    """The credit notes that correct an invoice."""

    model = CreditNote
    fields = readonly_fields = (
        *("number", "product", "measured", "amount", "reason", "issued_at"),
        "issued_by",
    )
    ordering = ("pk",)
    show_change_link = True

    @admin.display(description="quantity")
    def measured(self, note: CreditNote) -> str:
        """Return the quantity with its unit."""
        return _measured(note.meter, note.quantity)

    @admin.display(description="amount")
    def amount(self, note: CreditNote) -> str:
        """Return the amount in the currency of the invoice."""
        return str(Money(note.amount_micros, note.invoice.currency))


def _after_void(invoice: Invoice, now: datetime) -> str:
    """Return what follows when an invoice is voided."""
    if invoice.is_late_usage:
        return (
            "The late usage is invoiced again automatically: the next hourly run makes an invoice with a new "
            "number, or that of the next month does. Correct the contract before you void the invoice."
        )
    month = month_name(invoice.month)
    running = month_at(invoice.account, now)
    if Month.read(invoice.month) in months_to_invoice(running):
        return (
            f"{month} is invoiced again automatically: the next hourly run drafts it from the usage and terms "
            "of that time, and the one after it makes it final with a new number, once nothing is missing. "
            "Correct the contract or the usage before you void the invoice."
        )
    return (
        f"{month} is not invoiced again automatically, because it is too long ago. "
        f"To invoice it, run manage.py close_month {invoice.month} --account {invoice.account_id} --finalize."
    )


@admin.register(Invoice)
class InvoiceAdmin(ReadOnlyAdmin):
    """Drafts, final and voided invoices."""

    trail_type = "invoice"
    list_display = (
        *("__str__", "account", "month", "kind", "status"),
        *("subtotal", "credits", "due"),
        *("finalized_at", "finalized_by"),
    )
    list_filter = ("status", "kind", "currency")
    list_select_related = ("account",)
    search_fields = ("=number", "=account__id", "account__name", "=month")
    search_help_text = (
        "A part of the account's name; or number, month (2026-11) or account ID in full"
    )
    ordering = ("-month", "-pk")
    fields = readonly_fields = (
        *("number", "account", "month", "kind", "status", "subtotal", "credits", "due"),
        *("due_on", "starts_at", "ends_at", "zone", "seller", "buyer", "tax_note"),
        *("payment_terms_days", "drafted_at", "counted_at", "complete_to"),
        *("finalized_at", "finalized_by", "override_reason", "content_hash"),
        *("voided_at", "voided_by", "void_reason", "replaces", "replaced_with"),
    )
    inlines = (LineInline, CreditNoteInline)
    change_form_template = "admin/billing/invoice.html"
    own_pages = (
        ("<int:invoice_id>/finalize/", "finalize_view", "billing_invoice_finalize"),
        ("<int:invoice_id>/void/", "void_view", "billing_invoice_void"),
    )

    @admin.display(description="replaced with")
    def replaced_with(self, invoice: Invoice) -> str:
        """Return the invoice that replaces a voided one, as a link to its page."""
        new = invoice.replacement
        if new is None:
            return NOTHING
        return format_html('<a href="{}">{}</a>', admin_url(new), new)

    def finalize_view(self, request: HttpRequest, invoice_id: int) -> HttpResponse:
        """Make an invoice final now, with a reason in place of what it waits for."""
        invoice = row_or_404(Invoice, invoice_id)
        month = Month.read(invoice.month)
        return self.command_form_view(
            request,
            FinalForm(request.POST or None, waits_for=_waits_for(invoice)),
            partial(finalize_invoice, account=invoice.account, month=month),
            title=f"Make the invoice of {invoice.account} for {invoice.month} final",
            button="Make final",
            done=lambda final: f"Invoice {final} is final.",
            back=invoice,
        )

    def void_view(self, request: HttpRequest, invoice_id: int) -> HttpResponse:
        """Void a final invoice."""
        invoice = row_or_404(Invoice, invoice_id)
        return self.command_form_view(
            request,
            ReasonForm(request.POST or None),
            partial(void_invoice, invoice=invoice),
            title=f"Void {invoice} of {invoice.account}",
            button="Void invoice",
            done=lambda _: f"Voided {invoice}. Its credits are returned.",
            back=invoice,
            context={"explanation": _after_void(invoice, timezone.now())},
        )


@admin.register(UninvoicedMonth)
class UninvoicedMonthAdmin(ReadOnlyAdmin):
    """Months that have something to bill but no invoice; staff draft it once that is possible."""

    list_display = ("account", "month", "since")
    list_select_related = ("account",)
    search_fields = ("=account__id", "account__name", "=month")
    search_help_text = (
        "A part of the account's name; or its ID or a month (2026-11) in full"
    )
    ordering = ("month", "account__name")
    fields = readonly_fields = (*list_display, "reason")
    change_form_template = "admin/billing/uninvoiced_month.html"
    own_pages = (("<int:mark_id>/draft/", "draft_view", "billing_uninvoiced_draft"),)

    @admin.display(description="reason")
    def reason(self, mark: UninvoicedMonth) -> str:
        """Return why the month has no invoice."""
        return obstacle(mark.account, Month.read(mark.month), timezone.now())

    def draft_view(self, request: HttpRequest, mark_id: int) -> HttpResponse:
        """Draft the invoice of a month, also of one that is too long ago for the sweep."""
        mark = row_or_404(UninvoicedMonth, mark_id)
        month = Month.read(mark.month)
        return self.command_form_view(
            request,
            forms.Form(request.POST or None),
            partial(draft_invoice, account=mark.account, month=month),
            title=f"Draft the invoice of {mark.account} for {month}",
            button="Draft invoice",
            done=lambda drafted: (
                f"Drafted the invoice of {mark.account} for {month}."
                if drafted
                else f"{mark.account} has nothing to bill for {month}."
            ),
            context={
                "explanation": f"{self.reason(mark)} The draft becomes final by itself "
                "once nothing is missing."
            },
        )

    def trail_filter(self, row: UninvoicedMonth) -> dict[str, str]:
        """Return the filter for the entries about invoices of the account."""
        return {"account": row.account_id, "target_type": "invoice"}


@admin.register(Adjustment)
class AdjustmentAdmin(ReadOnlyAdmin):
    """Late usage of final months."""

    list_display = (
        *("found_at", "account", "corrects", "product", "measured", "amount"),
        "billed_on",
    )
    list_filter = (
        ("billed_on", set_filter("state", unset="Not billed yet", filled="Billed")),
    )
    list_select_related = ("corrects__account", "product", "billed_on")
    search_fields = (
        *("=corrects__number", "=corrects__account__id"),
        "corrects__account__name",
    )
    search_help_text = (
        "A part of the account's name; or its ID or the invoice's number in full"
    )
    ordering = ("-found_at", "-pk")
    exclude = ("amount_micros", "meter", "quantity")
    readonly_fields = ("account", "measured", "amount")

    @admin.display(description="account")
    def account(self, row: Adjustment) -> str:
        """Return the account's name, as a link to its page."""
        return account_link(row.corrects.account)

    @admin.display(description="quantity")
    def measured(self, row: Adjustment) -> str:
        """Return the quantity with its unit."""
        return _measured(row.meter, row.quantity)

    @admin.display(description="amount")
    def amount(self, row: Adjustment) -> str:
        """Return the amount in the currency of the corrected invoice."""
        return str(Money(row.amount_micros, row.corrects.currency))

    def trail_filter(self, row: Adjustment) -> dict[str, str]:
        """Return the filter for the entries about the invoice that it corrects."""
        return {"target_type": "invoice", "target": str(row.corrects_id)}


@admin.register(Credit)
class CreditAdmin(ReadOnlyAdmin):
    """Credits of all accounts."""

    trail_type = "credit"
    list_display = (
        *("account", "source", "amount", "expires_on", "reason"),
        *("granted_by", "granted_at"),
    )
    list_filter = ("source",)
    list_select_related = ("account",)
    search_fields = ("=account__id", "account__name")
    search_help_text = "A part of the account's name, or its ID in full"
    ordering = ("-granted_at", "-pk")
    own_pages = (("grant/<str:account_id>/", "grant_view", "billing_credit_grant"),)
    exclude = ("amount_micros",)
    readonly_fields = ("amount",)

    def grant_view(self, request: HttpRequest, account_id: str) -> HttpResponse:
        """Grant an account a credit."""
        account = row_or_404(Account, account_id)
        month = month_at(account, timezone.now())
        initial = {"currency": currency_of(account, month)}

        def command(
            actor: Actor, *, amount: Decimal, currency: str, **typed: Any
        ) -> Credit:
            granted = Money.of(amount, currency)
            return grant_credit(actor, account=account, amount=granted, **typed)

        return self.command_form_view(
            request,
            CreditForm(request.POST or None, initial=initial),
            command,
            title=f"Grant {account} a credit",
            button="Grant credit",
            done=lambda credit: f"Granted {account} a credit of {credit.amount}.",
            back=account,
        )


def _waits_for(invoice: Invoice) -> str:
    """Return what an invoice waits for before it becomes final by itself."""
    waits = [each.sentence for each in missing_usage(invoice)]
    if timezone.now() < final_at(invoice):
        waits.insert(
            0, f"It becomes final by itself at {final_at(invoice):%Y-%m-%d %H:%M} UTC."
        )
    return " ".join(waits)


class InMoney(ReadOnlyAdmin):
    """Shows `amount_micros` as money in the currency of the row."""

    exclude: ClassVar[tuple[str, ...]] = ("amount_micros",)
    readonly_fields: ClassVar[tuple[str, ...]] = ("amount",)

    @admin.display(description="amount")
    def amount(self, row: CreditEntry | CreditNote) -> str:
        """Return the amount in the currency of the credit."""
        return str(Money(row.amount_micros, row.credit.currency))


@admin.register(CreditEntry)
class CreditEntryAdmin(InMoney):
    """The credit ledger."""

    list_display = ("at", "account", "kind", "amount", "credit", "invoice")
    list_filter = ("kind",)
    list_select_related = ("account", "credit", "invoice")
    search_fields = ("=account__id", "account__name", "=invoice__number")
    search_help_text = (
        "A part of the account's name; or its ID or the invoice's number in full"
    )
    ordering = ("-at", "-pk")


@admin.register(CreditNote)
class CreditNoteAdmin(InMoney):
    """Credit notes."""

    trail_type = "credit_note"
    list_display = (
        *("number", "account", "invoice", "product", "measured", "amount"),
        "issued_at",
    )
    list_select_related = ("invoice__account", "product", "credit")
    search_fields = (
        *("=number", "=invoice__number", "=invoice__account__id"),
        "invoice__account__name",
    )
    search_help_text = "A part of the account's name; or its ID or a number in full"
    ordering = ("-issued_at", "-pk")
    exclude = ("amount_micros", "meter", "quantity")
    readonly_fields = ("account", "measured", "amount")

    @admin.display(description="account")
    def account(self, note: CreditNote) -> str:
        """Return the account's name, as a link to its page."""
        return account_link(note.invoice.account)

    @admin.display(description="quantity")
    def measured(self, note: CreditNote) -> str:
        """Return the quantity with its unit."""
        return _measured(note.meter, note.quantity)


@admin.register(Budget)
class BudgetAdmin(ReadOnlyAdmin):
    """Budgets of all accounts."""

    trail_type = "budget"
    list_display = ("account", "amount", "notified_at", "action", "changed_by")
    list_filter = ("action",)
    list_select_related = ("account",)
    search_fields = ("=account__id", "account__name")
    search_help_text = "A part of the account's name, or its ID in full"
    ordering = ("account__name",)
    exclude = ("amount_micros", "thresholds")
    readonly_fields = ("amount", "notified_at")

    @admin.display(description="notify at")
    def notified_at(self, budget: Budget) -> str:
        """Return the thresholds in percent."""
        return ", ".join(f"{each} %" for each in budget.thresholds)


@admin.register(BudgetAlert)
class BudgetAlertAdmin(ReadOnlyAdmin):
    """Thresholds of budgets that were reached."""

    list_display = ("reached_at", "account", "month", "percent", "spent", "budget")
    list_select_related = ("account",)
    search_fields = ("=account__id", "account__name", "=month")
    search_help_text = (
        "A part of the account's name; or its ID or a month (2026-11) in full"
    )
    ordering = ("-reached_at", "-pk")
    exclude = ("budget_micros", "spent_micros")
    readonly_fields = ("spent", "budget")

    @admin.display(description="spent")
    def spent(self, alert: BudgetAlert) -> str:
        """Return what was spent when the threshold was reached."""
        return str(Money(alert.spent_micros, alert.currency))

    @admin.display(description="budget")
    def budget(self, alert: BudgetAlert) -> str:
        """Return the budget at that time."""
        return str(Money(alert.budget_micros, alert.currency))


@admin.register(NumberSeries)
class NumberSeriesAdmin(ReadOnlyAdmin):
    """The last numbers of invoices and credit notes."""

    list_display = ("name", "last")
    ordering = ("name",)

    def trail_filter(self, row: NumberSeries) -> dict[str, str]:
        """Return the filter for the entries about what the series numbers, such as invoices."""
        return {"target_type": row.name}


@admin.register(UsageVoid)
class UsageVoidAdmin(ReadOnlyAdmin):
    """Times of edges of which nothing counts; staff void one after a review."""

    trail_type = "usage_void"
    list_display = ("edge", "starts_at", "ends_at", "records", "voided_by", "voided_at")
    fields = readonly_fields = (*list_display, "reason")
    search_fields = ("=edge",)
    search_help_text = "Edge, in full"
    ordering = ("-voided_at", "-pk")
    change_list_template = "admin/billing/void_list.html"
    own_pages = (("new/", "void_view", "billing_void_usage"),)

    @admin.display(description="records")
    def records(self, void: UsageVoid) -> int:
        """Return how many usage records are kept apart."""
        return void.records.count()

    def void_view(self, request: HttpRequest) -> HttpResponse:
        """Ask which time; show what is affected; void it if that was confirmed and is still true."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        initial: dict[str, object] = {"edge": request.GET.get("edge", "")}
        form = UsageVoidForm(
            request.POST if request.method == "POST" else None, initial=initial
        )
        now = timezone.now()
        review = None
        if request.method == "POST" and form.is_valid():
            try:
                review = void_review(form.period, now)
                if request.POST.get("confirmed") == review.seen:
                    title = f"Void usage of {form.period.edge}"
                    asked = self.reauthentication(request, title)
                    return asked or self._void(request, form, now)
            except (Invalid, Conflict, NotFound) as refusal:
                field = getattr(refusal, "field", "")
                form.add_error(field if field in form.fields else None, refusal.message)
        context = self.admin_site.each_context(request) | {
            "title": "Void usage of an edge",
            "form": form,
            "review": review,
            "changed": bool(review and "confirmed" in request.POST),
            "back": admin_url(UsageVoid),
            "opts": self.model._meta,  # noqa: SLF001 - Django's own name
        }
        status = HTTPStatus.BAD_REQUEST if form.errors else HTTPStatus.OK
        return render(request, "admin/billing/void_usage.html", context, status=status)

    def _void(
        self, request: HttpRequest, form: UsageVoidForm, now: datetime
    ) -> HttpResponse:
        void = void_usage(
            staff_actor_of(request),
            period=form.period,
            reason=form.cleaned_data["reason"],
            now=now,
        )
        messages.success(
            request,
            f"Voided usage of {void}. Bills are computed again within minutes; final invoices get credit notes.",
        )
        return HttpResponseRedirect(admin_url(UsageVoid))
