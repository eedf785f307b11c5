"""The Billing page: the running bill, the budget, invoices, credits and payment terms."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Prefetch
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.actor import Actor
from accounts.authentication import actor_of
from accounts.errors import Conflict
from accounts.feedback import success_with_audit_link
from accounts.form_errors import form_errors, form_status
from accounts.lists import ListForm, names_in_words, page_of
from accounts.models import Account
from accounts.policy import (
    AccountAccess,
    decide,
    load_access,
    members_with,
    require,
)
from accounts.queries import account_for, account_in
from accounts.reauthentication import require_reauthentication
from accounts.roles import Permission
from products.billing.commands import lift_block, remove_budget, set_budget
from products.billing.models import Budget, CreditNote, Invoice
from products.billing.queries.budgets import (
    BudgetLevel,
    BudgetState,
    budget_state,
)
from products.billing.queries.credits import (
    balance,
    credit_rows,
    last_month_paid,
    other_balances,
)
from products.billing.queries.invoices import invoices_of
from products.billing.queries.running import (
    Cost,
    other_costs,
    running_account_bill,
)
from products.billing.queries.terms import (
    contract_of,
    currency_of,
    month_at,
)
from products.calendars import calendar_of
from products.catalogue.money import Money, exact_sum
from products.months import month_name
from products.web.price_display import price_changes

PAGE = 12
CREDITS_SHOWN = 20
SERVICES_SHOWN = 20  # those that cost most; the rest is one row
STATUS_SHAPES = {
    Invoice.Status.OPEN: "ask",
    Invoice.Status.DRAFT: "ask",
    Invoice.Status.FINAL: "on",
    Invoice.Status.VOID: "off",
}
LEVEL_SHAPES = {
    BudgetLevel.BELOW: "pass",
    BudgetLevel.ALERT: "warns",
    BudgetLevel.USED_UP: "stops",
    BudgetLevel.OVER: "stops",
}
DEFAULT_THRESHOLDS = "50, 75, 100"
REFUSE = (
    "Refuse new connections until the month ends or the budget is raised. "
    "Open connections continue and are billed."
)


class InvoiceFilterForm(ListForm):
    """Which invoices to list."""

    q = forms.CharField(
        label="Search",
        required=False,
        max_length=20,
        widget=forms.TextInput({"type": "search", "placeholder": "Number or 2026-10"}),
    )
    status = forms.ChoiceField(
        label="Status",
        required=False,
        choices=[
            ("", "Any"),
            *((each.value, each.label) for each in Invoice.Status if each != "open"),
        ],
    )
    sort = forms.ChoiceField(
        label="Order",
        required=False,
        choices=[("", "Newest first"), ("old", "Oldest first")],
    )


class BudgetForm(forms.Form):
    """The amount of a month, the thresholds, and what happens at 100 %."""

    amount = forms.DecimalField(
        label="Amount per month", max_digits=13, decimal_places=6, min_value=0
    )
    thresholds = forms.CharField(
        label="Notify at",
        max_length=60,
        help_text="Percentages, such as 50, 75, 100. Each sends one email per month.",
    )
    action = forms.ChoiceField(
        label="At 100 %",
        choices=[
            ("notify", "Only notify. Usage continues and is billed."),
            (
                "block_new",
                REFUSE,
            ),
        ],
        widget=forms.RadioSelect,
    )

    def clean_thresholds(self) -> list[int]:
        """Return the percentages as numbers."""
        parts = self.cleaned_data["thresholds"].replace("%", " ").replace(",", " ")
        if not all(each.isascii() and each.isdigit() for each in parts.split()):
            raise forms.ValidationError("Enter percentages, such as 50, 75, 100.")
        return [int(each) for each in parts.split()]


@login_required
@require_GET
def billing(request: HttpRequest) -> HttpResponse:
    """Show what the month costs so far, and everything that was billed."""
    actor = actor_of(request)
    access = load_access(actor, actor.account_id)
    account = account_in(access)
    access.require(Permission.BILLING_READ)
    now = timezone.now()
    running = _running_context(access, account, now)
    currency = running["currency"]
    context: dict[str, Any] = {
        **running,
        **_invoice_list(request, actor, account),
        **_credits_context(account, currency),
        **_terms_context(account, now),
    }
    return render(request, "billing/billing.html", context)


@login_required
@require_http_methods(["GET", "POST"])
def budget(request: HttpRequest) -> HttpResponse:
    """Show the form of the budget; POST sets it."""
    actor = actor_of(request)
    account = account_for(actor, Permission.BILLING_READ)
    require(actor, Permission.BUDGET_MANAGE, account)
    now = timezone.now()
    saved = Budget.objects.filter(account=account).first()
    currency = currency_of(account, month_at(account, now))
    form = BudgetForm(
        request.POST if request.method == "POST" else None, initial=_initial(saved)
    )
    if form.is_valid():
        asked = require_reauthentication(
            request, f"change the budget of {account.name}"
        )
        if asked is not None:
            return asked
        with form_errors(form):
            chosen = form.cleaned_data
            set_budget(
                actor,
                account=account,
                amount=Money.of(chosen["amount"], currency),
                thresholds=chosen["thresholds"],
                action=chosen["action"],
                now=now,
            )
            success_with_audit_link(request, actor, "The budget is saved.")
            return redirect("billing")
    context = {
        "form": form,
        "currency": currency,
        "saved": saved,
        "blocking": decide(actor, Permission.PRODUCT_ENABLE, account),
    }
    return render(request, "billing/budget.html", context, status=form_status(form))


@login_required
@require_http_methods(["GET", "POST"])
def end_budget(request: HttpRequest) -> HttpResponse:
    """Show what ends with the budget; POST removes it."""
    actor = actor_of(request)
    account = account_for(actor, Permission.BUDGET_MANAGE)
    saved = Budget.objects.filter(account=account).first()
    if saved is None:
        messages.info(request, f"{account.name} has no budget.")
        return redirect("billing")
    if request.method == "POST":
        title = f"remove the budget of {account.name}"
        if (asked := require_reauthentication(request, title)) is not None:
            return asked
        remove_budget(actor, account=account, now=timezone.now())
        success_with_audit_link(request, actor, "The budget is removed.")
        return redirect("billing")
    return render(request, "billing/remove_budget.html", {"saved": saved})


@login_required
@require_POST
def lift_budget_block(request: HttpRequest) -> HttpResponse:
    """Accept new connections again; the budget only notifies from now on."""
    actor = actor_of(request)
    account = account_for(actor, Permission.BILLING_READ)
    require(actor, Permission.BUDGET_MANAGE, account)
    lift_block(actor, account=account, now=timezone.now())
    success_with_audit_link(
        request,
        actor,
        "New connections are accepted again. The budget only notifies from now on.",
    )
    return redirect("billing")


def budget_context(state: BudgetState | None) -> dict[str, Any] | None:
    """Return a budget as pages show it; None without one."""
    if state is None:
        return None
    percent = state.percent
    return {
        "amount": state.budget.amount,
        "percent": percent,
        "width": min(percent or 0, 100),
        "marks": [each for each in state.budget.thresholds if each < 100],  # noqa: PLR2004
        "level": state.level,
        "shape": LEVEL_SHAPES[state.level] if state.level else "",
        "level_text": _level_text(state),
        "thresholds": [f"{each} %" for each in state.budget.thresholds],
        "refuses": state.refuses_at_the_end,
        "blocked_at": state.blocked_at,
    }


def _level_text(state: BudgetState) -> str:
    """Return how much of a budget is spent, in words; "" if that is not known."""
    if state.spent is None:
        return ""
    match state.level:
        case BudgetLevel.OVER:
            return f"{state.spent - state.budget.amount} over the budget"
        case BudgetLevel.USED_UP:
            return "Used up"
        case BudgetLevel.ALERT:
            return f"Alert at {state.reached[-1]} % reached"
        case _:
            return f"Below the first alert, at {state.budget.thresholds[0]} %"


def _initial(saved: Budget | None) -> dict[str, Any]:
    if saved is None:
        return {"thresholds": DEFAULT_THRESHOLDS, "action": Budget.Action.NOTIFY}
    return {
        "amount": saved.amount.amount,
        "thresholds": ", ".join(map(str, saved.thresholds)),
        "action": saved.action,
    }


def _running_context(
    access: AccountAccess, account: Account, now: datetime
) -> dict[str, Any]:
    running, problem = None, ""
    try:
        running = running_account_bill(account, now)
    except Conflict as refusal:
        problem = refusal.message
    spent = running.subtotal if running is not None else None
    context = {
        "budget": budget_context(budget_state(access.actor, account, spent)),
        "may_budget": access.decide(Permission.BUDGET_MANAGE).allowed,
    }
    if running is None:
        currency = currency_of(account, month_at(account, now))
        return context | {"running": None, "problem": problem, "currency": currency}
    held = {each.product for each in running.bill.terms.segments}
    return context | {
        "running": running,
        "month": month_name(str(running.bill.month)),
        "currency": running.bill.terms.currency,
        "services": _largest_costs(running.services, running.bill.terms.currency),
        "others": other_costs(running.bill, running.services),
        "price_changes": [
            change
            for slug, change in price_changes(account, now).items()
            if slug in held
        ],
    }


def _largest_costs(costs: Sequence[Cost], currency: str) -> list[Cost]:
    """Return the first costs, which are the largest, and the sum of the others as a row of its own."""
    shown, rest = costs[:SERVICES_SHOWN], costs[SERVICES_SHOWN:]
    if not rest:
        return [*shown]
    amount = sum((cost.amount for cost in rest), Money(0, currency))
    exact = exact_sum(cost.exact for cost in rest)
    name = "1 other service" if len(rest) == 1 else f"{len(rest):,} other services"
    return [*shown, Cost(amount, exact, "", name)]


def _invoice_list(
    request: HttpRequest, actor: Actor, account: Account
) -> dict[str, Any]:
    form = InvoiceFilterForm(request.GET)
    rows = invoices_of(
        actor, account, search=form.chosen("q"), status=form.chosen("status")
    )
    rows = rows.prefetch_related(
        Prefetch("credit_notes", CreditNote.objects.order_by("pk"))
    )
    is_oldest_first = form.chosen("sort") == "old"
    order = ("month", "pk") if is_oldest_first else ("-month", "-pk")
    page = page_of(request, rows, order=order, size=PAGE)
    return {
        "form": form,
        "page": page,
        "newest_first": not is_oldest_first,
        "invoices": [
            {
                "invoice": each,
                "key": each.number or each.month,
                "month": month_name(each.month),
                "shape": STATUS_SHAPES[Invoice.Status(each.status)],
                "status": each.get_status_display(),
                "notes": [note.number for note in each.credit_notes.all()],
                "replacement": each.replacement,
            }
            for each in page.rows
        ],
    }


def _credits_context(account: Account, currency: str) -> dict[str, Any]:
    rows = credit_rows(account.pk)
    return {
        "balance": balance(account.pk, currency),
        "other_balances": other_balances(account.pk, currency),
        "credit_currency": currency,
        "credits": [_credit(each) for each in rows[:CREDITS_SHOWN]],
        "more_credits": max(0, rows.count() - CREDITS_SHOWN),
    }


def _credit(row: Any) -> dict[str, Any]:
    """Return a credit with what is left; one of a credit note names it and its invoice."""
    note = getattr(row, "credit_note", None)
    return {
        "credit": row,
        "left": Money(row.left, row.currency),
        "last_month": month_name(str(last_month_paid(row.expires_on)))
        if row.expires_on
        else "",
        "number": note.number if note else "",
        "credit_note_invoice": note.invoice.number if note else "",
    }


def _terms_context(account: Account, now: datetime) -> dict[str, Any]:
    calendar = calendar_of(account)
    month = calendar.month_at(now)
    contract = contract_of(account.pk, month)
    people = members_with(Permission.BILLING_READ, account.pk)
    return {
        "contract": contract,
        "days": contract.payment_terms_days
        if contract
        else Invoice().payment_terms_days,
        "buyer": (contract.buyer if contract else "") or account.name,
        "zone": calendar.zone_in(month),
        "next_zones": [
            (zone, month_name(start)) for start, zone in calendar.changes_after(month)
        ],
        "seller": settings.INVOICE_SELLER,
        "contact": settings.SALES_EMAIL,
        "recipients": names_in_words(list(people.values_list("user__name", flat=True))),
    }
