"""Contracts, invoices, credits and budgets in the admin: read-only, in money."""

from django.contrib import admin
from django.http import HttpRequest

from accounts.admin_pages import ReadOnlyAdmin
from products.billing.models import (
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
)
from products.catalogue.money import Money


@admin.register(Contract)
class ContractAdmin(ReadOnlyAdmin):
    """What accounts have agreed with sales."""

    list_display = (
        *("account", "from_month", "currency", "billing_zone"),
        *("payment_terms_days", "assigned_by", "assigned_at"),
    )
    list_select_related = ("account",)
    search_fields = ("=account__id", "account__name")
    ordering = ("-from_month", "account__name", "-pk")


class LineInline(admin.TabularInline):
    """The lines of an invoice."""

    model = InvoiceLine
    fields = readonly_fields = (
        *("position", "kind", "month", "product", "meter", "price_version"),
        *("quantity", "connections", "amount_exact", "amount"),
    )
    extra = 0
    can_delete = False

    @admin.display(description="amount")
    def amount(self, line: InvoiceLine) -> str:
        """Return the rounded amount."""
        return str(Money(line.amount_micros, line.invoice.currency))

    def has_view_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Let staff read."""
        return request.user.is_active and request.user.is_staff

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Refuse to add rows."""
        return False


@admin.register(Invoice)
class InvoiceAdmin(ReadOnlyAdmin):
    """Drafts, final and voided invoices."""

    list_display = (
        *("__str__", "account", "month", "status", "subtotal", "credits", "due"),
        *("finalized_at", "finalized_by"),
    )
    list_filter = ("status", "currency")
    list_select_related = ("account",)
    search_fields = ("=number", "=account__id", "account__name", "=month")
    ordering = ("-month", "-pk")
    exclude = ("subtotal_micros", "credits_micros", "due_micros")
    readonly_fields = ("subtotal", "credits", "due")
    inlines = (LineInline,)


@admin.register(Adjustment)
class AdjustmentAdmin(ReadOnlyAdmin):
    """Late usage of final months."""

    list_display = ("found_at", "corrects", "product", "meter", "amount", "billed_on")
    list_select_related = ("corrects", "product", "billed_on")
    search_fields = ("=corrects__number", "=corrects__account__id")
    ordering = ("-found_at", "-pk")
    exclude = ("amount_micros",)
    readonly_fields = ("amount",)

    @admin.display(description="amount")
    def amount(self, row: Adjustment) -> str:
        """Return the amount in the currency of the corrected invoice."""
        return str(Money(row.amount_micros, row.corrects.currency))


@admin.register(Credit)
class CreditAdmin(ReadOnlyAdmin):
    """Credits of all accounts."""

    list_display = (
        *("account", "source", "amount", "expires_on", "reason"),
        *("granted_by", "granted_at"),
    )
    list_filter = ("source",)
    list_select_related = ("account",)
    search_fields = ("=account__id", "account__name")
    ordering = ("-granted_at", "-pk")
    exclude = ("amount_micros",)
    readonly_fields = ("amount",)


class InMoney(ReadOnlyAdmin):
    """Shows `amount_micros` as money in the currency of the row."""

    exclude = ("amount_micros",)
    readonly_fields = ("amount",)

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
    ordering = ("-at", "-pk")


@admin.register(CreditNote)
class CreditNoteAdmin(InMoney):
    """Credit notes."""

    list_display = ("number", "invoice", "product", "meter", "amount", "issued_at")
    list_select_related = ("invoice", "product", "credit")
    search_fields = ("=number", "=invoice__number", "=invoice__account__id")
    ordering = ("-issued_at", "-pk")


@admin.register(Budget)
class BudgetAdmin(ReadOnlyAdmin):
    """Budgets of all accounts."""

    list_display = ("account", "amount", "thresholds", "action", "changed_by")
    list_filter = ("action",)
    list_select_related = ("account",)
    search_fields = ("=account__id", "account__name")
    ordering = ("account__name",)
    exclude = ("amount_micros",)
    readonly_fields = ("amount",)


@admin.register(BudgetAlert)
class BudgetAlertAdmin(ReadOnlyAdmin):
    """Thresholds of budgets that were reached."""

    list_display = ("reached_at", "account", "month", "percent", "spent", "budget")
    list_select_related = ("account",)
    search_fields = ("=account__id", "account__name", "=month")
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
