"""Fastly's billing, version 3: invoices, the running bill, and usage by product and service.

Its format has numbers where Tollgate has exact decimals: this is the only place that turns an
amount into a floating-point number, and nothing computes with it. Source: fastly-py 15.0 and
https://www.fastly.com/documentation/reference/api/account/billing-v3/, read 2026-11.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from django.utils import timezone
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import TokenRequest
from accounts.errors import Invalid, NotFound
from accounts.models import Account
from accounts.paging import UNKNOWN_CURSOR
from accounts.queries import account_for
from accounts.readable import choices_in_words
from accounts.roles import Permission
from products.api.services import valid
from products.api.usage import month_in
from products.billing.describe import LineText, describe, units_of
from products.billing.models import Invoice, InvoiceLine
from products.billing.queries.invoices import (
    before_cursor,
    cursor_of,
    invoice_document,
    posted_invoices,
    running_document,
)
from products.billing.queries.terms import period_of
from products.calendars import calendar_of
from products.catalogue.money import EXACT, Money, exact_sum
from products.catalogue.tiers import METERS
from products.metering.queries import Usage, usage_of
from products.months import Month
from products.services.models import Service

Json = dict[str, Any]
MAX_MONTHS = 24
_MINUTES, _BYTES = "connection_time", "bandwidth"
USAGE_TYPES = {
    _MINUTES: "WebSockets Connection Minutes",
    _BYTES: "Bandwidth",
}
UNITS = {_MINUTES: "million minutes", _BYTES: "GB"}
PRODUCTS = {_MINUTES: "websockets", _BYTES: "delivery"}


class InvoiceListQuery(serializers.Serializer[Any]):
    """The period of invoices, and how many to list after a cursor."""

    billing_start_date = serializers.DateField(required=False)
    billing_end_date = serializers.DateField(required=False)
    limit = serializers.IntegerField(default=100, min_value=1, max_value=200)
    cursor = serializers.CharField(default="", allow_blank=True, max_length=40)


class MonthsQuery(serializers.Serializer[Any]):
    """The first and the last month."""

    start_month = serializers.CharField()
    end_month = serializers.CharField()


class ServiceUsageQuery(serializers.Serializer[Any]):
    """One product or usage type, one service or all, and the months."""

    product_id = serializers.CharField(default="websockets")
    service = serializers.CharField(default="", allow_blank=True)
    usage_type_name = serializers.CharField(default="", allow_blank=True)
    start_month = serializers.CharField(required=False)
    end_month = serializers.CharField(required=False)
    limit = serializers.IntegerField(default=1_000, min_value=1, max_value=10_000)
    cursor = serializers.RegexField(
        r"^[0-9A-Za-z]{22}$",
        default="",
        allow_blank=True,
        error_messages={"invalid": UNKNOWN_CURSOR},
    )


class PostedInvoices(APIView):
    """`GET /billing/v3/invoices`."""

    def get(self, request: TokenRequest) -> Response:
        """List the final invoices, newest first."""
        account = account_for(request.auth, Permission.BILLING_READ)
        asked = valid(InvoiceListQuery(data=request.query_params.dict()))
        rows = posted_invoices(account.pk).filter(status=Invoice.Status.FINAL)
        if first := asked.get("billing_start_date"):
            rows = rows.filter(starts_at__gte=datetime.combine(first, time(), UTC))
        if last := asked.get("billing_end_date"):
            end = datetime.combine(last, time(), UTC) + timedelta(days=1)
            rows = rows.filter(ends_at__lte=end)
        total = rows.count()
        found = list(before_cursor(rows, asked["cursor"])[: asked["limit"] + 1])
        shown = found[: asked["limit"]]
        now = timezone.now()
        return Response(
            {
                "data": [
                    _posted(
                        *_loaded(request, account, str(each.number), now),
                    )
                    for each in shown
                ],
                "meta": {
                    "next_cursor": cursor_of(shown[-1])
                    if len(found) > len(shown)
                    else "",
                    "limit": asked["limit"],
                    "sort": "-billing_start_date",
                    "total": total,
                },
            }
        )


class PostedInvoice(APIView):
    """`GET /billing/v3/invoices/{invoice_id}`."""

    def get(self, request: TokenRequest, invoice_id: int) -> Response:
        """Return one final invoice."""
        account = account_for(request.auth, Permission.BILLING_READ)
        rows = posted_invoices(account.pk).filter(status=Invoice.Status.FINAL)
        invoice = rows.filter(pk=invoice_id).first()
        if invoice is None:
            raise NotFound("Invoice not found.")
        now = timezone.now()
        return Response(_posted(*_loaded(request, account, str(invoice.number), now)))


class MonthToDate(APIView):
    """`GET /billing/v3/invoices/month-to-date`."""

    def get(self, request: TokenRequest) -> Response:
        """Return the running bill; its amount is text."""
        account = account_for(request.auth, Permission.BILLING_READ)
        found = running_document(account, timezone.now())
        return Response(
            {
                "customer_id": account.pk,
                "invoice_id": "",
                "billing_start_date": found.invoice.starts_at,
                "billing_end_date": found.invoice.ends_at,
                "monthly_transaction_amount": str(found.invoice.subtotal.amount),
                "transaction_line_items": [_line(each) for each in found.lines],
            }
        )


class UsageMetrics(APIView):
    """`GET /billing/v3/usage-metrics`."""

    def get(self, request: TokenRequest) -> Response:
        """Return what the account used in each month, in the units of invoices and as measured."""
        account = account_for(request.auth, Permission.BILLING_READ)
        asked = valid(MonthsQuery(data=request.query_params.dict()))
        months = _months(asked["start_month"], asked["end_month"])
        return Response(
            {"data": [each for month in months for each in _metrics(account, month)]}
        )


class ServiceUsageMetrics(APIView):
    """`GET /billing/v3/service-usage-metrics`."""

    def get(self, request: TokenRequest) -> Response:
        """Return what each service used of one product, by id; only services with usage."""
        account = account_for(request.auth, Permission.BILLING_READ)
        asked = valid(ServiceUsageQuery(data=request.query_params.dict()))
        meter = _meter(asked["product_id"], asked["usage_type_name"])
        current = str(calendar_of(account).month_at(timezone.now()))
        start = asked.get("start_month") or current
        months = _months(start, asked.get("end_month") or start)
        totals: dict[str, int] = {}
        names = dict(Service.objects.filter(account=account).values_list("pk", "name"))
        if asked["service"] and asked["service"] not in names:
            raise Invalid(
                f"The account has no service with this ID: {asked['service']}.",
                field="service",
            )
        for month in months:
            for service, used in _by_service(
                usage_of(account.pk, month), meter
            ).items():
                totals[service] = totals.get(service, 0) + used
        keys = sorted(
            key
            for key, used in totals.items()
            if used and asked["service"] in {"", key}
        )
        following = [key for key in keys if key > asked["cursor"]]
        shown = following[: asked["limit"]]
        return Response(
            {
                "data": {
                    "customer_id": account.pk,
                    "start_time": period_of(account, months[0]).starts_at,
                    "end_time": period_of(account, months[-1]).ends_at,
                    "usage_type": USAGE_TYPES[meter],
                    "unit": UNITS[meter],
                    "details": [
                        {
                            "customer_id": account.pk,
                            "service_id": key,
                            "service_name": names.get(key, ""),
                            "usage_units": _in_units(totals[key], meter),
                        }
                        for key in shown
                    ],
                    "meta": {
                        "next_cursor": shown[-1] if len(following) > len(shown) else "",
                        "limit": asked["limit"],
                        "sort": "service_id",
                        "total": len(keys),
                    },
                }
            }
        )


def _loaded(
    request: TokenRequest, account: Account, number: str, now: datetime
) -> tuple[Invoice, tuple[InvoiceLine, ...]]:
    found = invoice_document(request.auth, account, number, now)
    return found.invoice, found.lines


def _posted(invoice: Invoice, lines: tuple[InvoiceLine, ...]) -> Json:
    return {
        "customer_id": invoice.account_id,
        "invoice_id": str(invoice.pk),
        "invoice_posted_on": invoice.finalized_at,
        "billing_start_date": invoice.starts_at,
        "billing_end_date": invoice.ends_at,
        "statement_number": invoice.number,
        "currency_code": invoice.currency,
        "monthly_transaction_amount": float(invoice.subtotal.amount),
        "transaction_line_items": [
            _line(each) | {"credit_coupon_code": ""} for each in lines
        ],
    }


def _line(line: InvoiceLine) -> Json:
    text = describe(line)
    amount = Money(line.amount_micros, line.invoice.currency).amount
    return {
        "description": text.title,
        "amount": float(amount),
        "rate": float(_rate(line, text)),
        "units": float(units_of(line)),
        "product_name": line.product.name,
        "product_group": "Full-Site Delivery",
        "product_line": "Network Services",
        "region": "",
        "usage_type": USAGE_TYPES.get(line.meter, ""),
    }


def _rate(line: InvoiceLine, text: LineText) -> Decimal:
    """Return the price per unit; in several tiers the mean of their prices, by quantity.

    A line has one rate. Source: fastly-py 15.0, `InvoiceLineItems`: "Price per unit."
    """
    units, exact = text.units, Decimal(line.amount_exact)
    if text.tiers:  # a started unit can be billed as a whole one, which `units` is not
        units = Decimal(sum(each.quantity for each in text.tiers))
        exact = exact_sum(
            EXACT.multiply(each.unit_price, Decimal(each.quantity))
            for each in text.tiers
        )
    return EXACT.divide(exact, units) if units > 0 else Decimal(0)


def _months(first: str, last: str) -> list[Month]:
    """Return the months of a request. Raises Invalid for an impossible or too long range."""
    months = month_in(first, "start_month").until(month_in(last, "end_month"))
    if not 1 <= len(months) <= MAX_MONTHS:
        raise Invalid(
            f"end_month must be start_month or up to {MAX_MONTHS - 1} months later.",
            field="end_month",
        )
    return months


def _metrics(account: Account, month: Month) -> Iterator[Json]:
    usage = usage_of(account.pk, month)
    for meter in (_MINUTES, _BYTES):
        used = sum(_by_service(usage, meter).values())
        yield {
            "month": str(month),
            "product_id": PRODUCTS[meter],
            "usage_type": USAGE_TYPES[meter],
            "name": USAGE_TYPES[meter],
            "region": "",
            "unit": UNITS[meter],
            "quantity": _in_units(used, meter),
            "raw_quantity": used,
            "last_updated_at": usage.complete_to or "",
        }


def _by_service(usage: Usage, meter: str) -> dict[str, int]:
    if meter == _MINUTES:
        return {key: each.minutes for key, each in usage.services.items()}
    found = {
        key: each.bytes_from_client + each.bytes_to_client
        for key, each in usage.services.items()
    }
    for key, each in usage.delivery.items():
        moved = each.bytes_from_client + each.bytes_to_client
        found[key] = found.get(key, 0) + moved
    return found


def _meter(product: str, usage_type: str) -> str:
    """Return the meter of a product or usage type. Raises Invalid for an unknown one."""
    for meter, name in PRODUCTS.items():
        if product == name and usage_type in {"", USAGE_TYPES[meter]}:
            return meter
    pairs = [f"{name} ({USAGE_TYPES[meter]})" for meter, name in PRODUCTS.items()]
    raise Invalid(
        f"There is no such product or usage type. Choose {choices_in_words(pairs)}.",
        field="product_id",
    )


def _in_units(quantity: int, meter: str) -> float:
    return float(EXACT.divide(Decimal(quantity), Decimal(METERS[meter].unit_size)))
