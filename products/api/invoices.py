"""`/api/v1/invoices` and `/api/v1/budget`: bills, and the budget that they are compared with."""

from collections.abc import Iterable
from datetime import datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from django.utils import timezone
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import TokenRequest
from accounts.body_text import OneOfField, OwnBodyReader, TextField
from accounts.models import Account
from accounts.queries import account_for
from accounts.roles import Permission
from accounts.sudo import reauthenticated
from products.api.services import valid
from products.api.usage import month_in
from products.billing.commands import remove_budget, set_budget
from products.billing.models import Budget, CreditNote, Invoice, InvoiceLine
from products.billing.queries.budgets import budget_state
from products.billing.queries.invoices import (
    before_cursor,
    cursor_of,
    invoice_document,
    invoices_of,
)
from products.billing.queries.running import bill_so_far
from products.billing.queries.terms import CurrencyConflict, currency_of, month_at
from products.catalogue.money import Money, read_currency

MAX_LIMIT = 100
DEFAULT_LIMIT = 20
Json = dict[str, Any]


class InvoicesQuery(serializers.Serializer[Any]):
    """Which invoices to list: of one month or all, so many at a time."""

    month = serializers.CharField(required=False)
    cursor = serializers.CharField(default="", allow_blank=True, max_length=40)
    limit = serializers.IntegerField(
        default=DEFAULT_LIMIT, min_value=1, max_value=MAX_LIMIT
    )


class BudgetReader(OwnBodyReader):
    """The budget of a month; without a currency, that of the account's bill."""

    amount = serializers.DecimalField(max_digits=13, decimal_places=6)
    currency = TextField(required=False)
    thresholds = serializers.ListField(
        child=serializers.IntegerField(), default=[50, 75, 100], max_length=10
    )
    action = OneOfField(choices=[str(each) for each in Budget.Action], default="notify")

    def validate_currency(self, typed: str) -> str:
        """Return the code in capital letters, as the admin's forms do."""
        try:
            return read_currency(typed)
        except ValueError as error:
            raise serializers.ValidationError(str(error)) from error


class Invoices(APIView):
    """`GET /api/v1/invoices`."""

    def get(self, request: TokenRequest) -> Response:
        """List invoices, newest first; for the running month its bill so far, as a draft."""
        actor, account = (
            request.auth,
            account_for(request.auth, Permission.BILLING_READ),
        )
        asked = valid(InvoicesQuery(data=request.query_params.dict()))
        now = timezone.now()
        if label := asked.get("month"):
            month = month_in(label)
            if month == month_at(account, now):
                running = invoice_document(actor, account, str(month), now)
                data = [invoice_to_json(running.invoice, running.lines, ())]
                return Response({"data": data, "meta": {"next": ""}})
            label = str(month)
        rows = invoices_of(actor, account, search=label or "")
        rows = before_cursor(rows, asked["cursor"])
        rows = rows.prefetch_related("lines", "credit_notes")
        found = list(rows[: asked["limit"] + 1])
        shown = found[: asked["limit"]]
        following = cursor_of(shown[-1]) if len(found) > len(shown) else ""
        query = urlencode(asked | {"cursor": following})
        return Response(
            {
                "data": [
                    invoice_to_json(each, each.lines.all(), each.credit_notes.all())
                    for each in shown
                ],
                "meta": {
                    "next": request.build_absolute_uri(f"{request.path}?{query}")
                    if following
                    else ""
                },
            }
        )


class OneInvoice(APIView):
    """`GET /api/v1/invoices/{number}`."""

    def get(self, request: TokenRequest, invoice_key: str) -> Response:
        """Return an invoice by its number, or by its month while it has none."""
        account = account_for(request.auth, Permission.BILLING_READ)
        found = invoice_document(request.auth, account, invoice_key, timezone.now())
        return Response(invoice_to_json(found.invoice, found.lines, found.credit_notes))


class BudgetView(APIView):
    """`GET`, `PUT` and `DELETE /api/v1/budget`."""

    def get(self, request: TokenRequest) -> Response:
        """Return the budget, what of it is spent, and the thresholds that are reached."""
        return Response(self._shown(request))

    def put(self, request: TokenRequest) -> Response:
        """Set the budget."""
        account = account_for(request.auth, Permission.BUDGET_MANAGE)
        actor = reauthenticated(request.auth)
        sent = valid(BudgetReader(data=request.data))
        now = timezone.now()
        currency = sent.get("currency") or currency_of(account, month_at(account, now))
        set_budget(
            actor,
            account=account,
            amount=Money.of(sent["amount"], currency),
            thresholds=sent["thresholds"],
            action=sent["action"],
            now=now,
        )
        return Response(self._shown(request))

    def delete(self, request: TokenRequest) -> Response:
        """Remove the budget; without one nothing changes."""
        account = account_for(request.auth, Permission.BUDGET_MANAGE)
        actor = reauthenticated(request.auth)
        remove_budget(actor, account=account, now=timezone.now())
        return Response(status=HTTPStatus.NO_CONTENT)

    def _shown(self, request: TokenRequest) -> Json:
        account = account_for(request.auth, Permission.BILLING_READ)
        now = timezone.now()
        spent = _spent(account, now)
        state = budget_state(request.auth, account, spent)
        if state is None:
            return {
                "amount": None,
                "currency": currency_of(account, month_at(account, now)),
                "thresholds": [],
                "action": str(Budget.Action.NOTIFY),
                "reached": [],
                "spent": None if spent is None else str(spent.amount),
            }
        return {
            "amount": str(state.budget.amount.amount),
            "currency": state.budget.currency,
            "thresholds": state.budget.thresholds,
            "action": state.budget.action,
            "reached": state.reached,
            "spent": None if state.spent is None else str(state.spent.amount),
        }


def invoice_to_json(
    invoice: Invoice, lines: Iterable[InvoiceLine], notes: Iterable[CreditNote]
) -> Json:
    """Return an invoice with its lines and credit notes; the bill of the running month is a draft."""

    def amount(micros: int) -> str:
        return str(Money(micros, invoice.currency).amount)

    is_open = invoice.status == Invoice.Status.OPEN
    return {
        "number": invoice.number or "",
        "month": invoice.month,
        "kind": invoice.kind,
        "status": "draft" if is_open else invoice.status,
        "replaces": invoice.replaces.number if invoice.replaces else None,
        "replaced_by": invoice.replacement.number if invoice.replacement else None,
        "currency": invoice.currency,
        "total": amount(invoice.subtotal_micros),
        "credits": amount(invoice.credits_micros),
        "due": amount(invoice.due_micros),
        "due_on": invoice.due_on,
        "counted_at": invoice.counted_at,
        "complete_to": invoice.complete_to,
        "lines": [
            {
                "kind": line.kind,
                "product": line.product_id,
                "meter": line.meter,
                "quantity": line.quantity,
                "amount": amount(line.amount_micros),
                "amount_exact": line.amount_exact,
                "price_version": line.price_version_id,
                "digest": line.usage_digest,
            }
            for line in lines
        ],
        "credit_notes": [
            {
                "number": note.number,
                "amount": amount(note.amount_micros),
                "reason": note.reason,
                "issued_at": note.issued_at,
            }
            for note in sorted(notes, key=lambda note: note.pk)
        ],
    }


def _spent(account: Account, now: datetime) -> Money | None:
    """Return the bill so far; None if its prices are in several currencies."""
    try:
        return bill_so_far(account, now).subtotal
    except CurrencyConflict:
        return None
