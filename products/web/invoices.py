"""The page of an invoice, and its downloads: PDF, CSV, JSON and the usage of its lines."""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    JsonResponse,
    StreamingHttpResponse,
)
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from accounts.authentication import actor_of
from accounts.csv_export import csv_lines
from accounts.errors import NotFound
from accounts.lists import names_in_words
from accounts.queries import account_of
from products.billing.bill import BANDWIDTH
from products.billing.describe import (
    CREDITS_NOTE,
    NEVER_CHANGES_NOTE,
    VOID_NOTE,
    adjustment_text,
    credit_note_text,
    describe,
    due_label,
    late_usage_note,
    period_label,
    period_text,
)
from products.billing.models import Invoice, InvoiceLine
from products.billing.queries.content import content_of
from products.billing.queries.corrections import Corrections
from products.billing.queries.invoices import (
    InvoiceDocument,
    bytes_of,
    connections_of,
    invoice_document,
)
from products.catalogue.money import Money
from products.months import month_name
from products.web.billing import STATUS_SHAPES

LINE_COLUMNS = (
    *("invoice", "status", "month", "position", "kind", "line_month", "product"),
    *("meter", "starts_at", "ends_at", "quantity", "connections", "units", "unit"),
    *("rate", "amount", "amount_exact", "currency", "price_version", "usage_digest"),
)
CONNECTION_COLUMNS = (
    *("line", "connection_id", "service", "edge", "started_at"),
    *("duration_us", "minutes"),
)
BANDWIDTH_COLUMNS = (
    *("line", "usage", "service", "edge", "connection_id", "instance", "hour"),
    *("requests", "bytes_from_client", "bytes_to_client"),
)


@login_required
@require_GET
def invoice(request: HttpRequest, invoice_key: str) -> HttpResponse:
    """Show an invoice; it prints on paper as it is."""
    document = _document(request, invoice_key)
    row = document.invoice
    context = {
        "invoice": row,
        "key": document.key,
        "never_changes": NEVER_CHANGES_NOTE,
        "credits_note": "" if row.number else CREDITS_NOTE,
        "title": f"Invoice {row.number}" if row.number else "Bill",
        "late_usage_note": late_usage_note(row) if row.is_late_usage else "",
        "due_label": due_label(row),
        "period_label": period_label(row),
        "void_note": VOID_NOTE,
        "replacement": row.replacement,
        "month": month_name(row.month),
        "period": period_text(row.starts_at, row.ends_at),
        "shape": STATUS_SHAPES[Invoice.Status(row.status)],
        "status": row.get_status_display(),
        "lines": [
            {"row": each, "text": describe(each), "shares": _shares(each, row.currency)}
            for each in document.lines
        ],
        "has_time": any(_own_lines(document, is_bandwidth=False)),
        "has_bandwidth": any(_own_lines(document, is_bandwidth=True)),
        **corrections_context(document.corrections),
    }
    return render(request, "billing/invoice.html", context)


@login_required
@require_GET
def invoice_download(
    request: HttpRequest, invoice_key: str, form: str
) -> HttpResponseBase:
    """Return an invoice as PDF, CSV or JSON, or the usage of its lines, streamed."""
    document = _document(request, invoice_key)
    if form == "pdf":
        # reportlab takes a tenth of the start of a program, and few programs draw a PDF.
        from products.web.invoice_pdf import invoice_pdf  # noqa: PLC0415

        answer: HttpResponseBase = HttpResponse(
            invoice_pdf(document), content_type="application/pdf"
        )
    elif form == "json":
        answer = JsonResponse(as_json(document), json_dumps_params={"indent": 2})
    elif form == "csv":
        answer = _as_csv(LINE_COLUMNS, _line_rows(document))
    elif form == "connections.csv":
        answer = _as_csv(CONNECTION_COLUMNS, _connection_rows(document))
    elif form == "connections.jsonl":
        answer = _as_json_lines(CONNECTION_COLUMNS, _connection_rows(document))
    elif form == "bandwidth.csv":
        answer = _as_csv(BANDWIDTH_COLUMNS, _bandwidth_rows(document))
    elif form == "bandwidth.jsonl":
        answer = _as_json_lines(BANDWIDTH_COLUMNS, _bandwidth_rows(document))
    else:
        raise NotFound("There is no such file of an invoice.")
    separator = "-" if "." in form else "."
    name = f"{document.key}{separator}{form}"
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def as_json(document: InvoiceDocument) -> dict[str, Any]:
    """Return an invoice as plain values; the hash covers `content` in canonical JSON."""
    row = document.invoice
    return {
        "status": row.status,
        "void_reason": row.void_reason,
        "replaced_by": row.replacement.number if row.replacement else None,
        "content": content_of(row, document.lines),
        "content_hash": row.content_hash,
        "credit_notes": [
            {
                "number": each.number,
                "amount": str(Money(each.amount_micros, row.currency).amount),
                "currency": row.currency,
                "reason": each.reason,
                "issued_at": each.issued_at.isoformat(),
            }
            for each in document.credit_notes
        ],
    }


def corrections_context(found: Corrections | None) -> dict[str, Any]:
    """Return what has corrected an invoice as pages show it; nothing if nothing has."""
    if not found:
        return {"corrections": [], "billed": None}
    currency = found.billed.currency
    notes = [
        {
            "note": each.number,
            "invoice": None,
            "text": credit_note_text(each),
            "at": each.issued_at,
            "amount": f"−{Money(each.amount_micros, currency)}",
        }
        for each in found.credit_notes
    ]
    late = [
        {
            "note": "",
            "invoice": each.billed_on,
            "text": adjustment_text(each),
            "at": each.found_at,
            "amount": Money(each.amount_micros, currency),
        }
        for each in found.adjustments
    ]
    return {"corrections": [*notes, *late], "billed": found.billed}


def _document(request: HttpRequest, key: str) -> InvoiceDocument:
    actor = actor_of(request)
    return invoice_document(actor, account_of(actor), key, timezone.now())


def _as_csv(
    columns: Sequence[str], rows: Iterable[Sequence[object]]
) -> StreamingHttpResponse:
    return _text(csv_lines(columns, rows), "text/csv")


def _as_json_lines(
    columns: Sequence[str], rows: Iterable[Sequence[object]]
) -> StreamingHttpResponse:
    objects = (dict(zip(columns, each, strict=True)) for each in rows)
    return _text((f"{json.dumps(each)}\n" for each in objects), "application/jsonl")


def _text(lines: Iterable[str], kind: str) -> StreamingHttpResponse:
    return StreamingHttpResponse(
        (line.encode() for line in lines), content_type=f"{kind}; charset=utf-8"
    )


def _shares(line: InvoiceLine, currency: str) -> str:
    """Return what of a line's amount the services have, the largest first; "" of a free line."""
    if not line.amount_micros:
        return ""
    largest = sorted(line.services, key=lambda each: -abs(each["amount_micros"]))
    return names_in_words(
        [
            f"{each['name'] or each['service']} {Money(each['amount_micros'], currency)}"
            for each in largest
        ]
    )


def _line_rows(document: InvoiceDocument) -> Iterator[list[object]]:
    row = document.invoice
    for line in document.lines:
        text = describe(line)
        yield [
            *(row.number or "", row.status, row.month, line.position, line.kind),
            *(line.month, line.product_id, line.meter),
            *(line.starts_at.isoformat(), line.ends_at.isoformat()),
            *(line.quantity, line.connections, f"{text.units:f}", text.unit),
            *(text.rate, Money(line.amount_micros, row.currency).amount),
            *(line.amount_exact, row.currency, line.price_version_id or ""),
            line.usage_digest,
        ]


def _own_lines(
    document: InvoiceDocument, *, is_bandwidth: bool
) -> Iterator[InvoiceLine]:
    """Yield the lines of own usage, of each stretch of time one; two can rest on the same usage."""
    seen = set()
    for line in document.lines:
        stretch = line.starts_at, line.ends_at
        is_own = line.kind in {"usage", "allowance", "trial"} and stretch not in seen
        if is_own and (line.meter == BANDWIDTH) == is_bandwidth:
            seen.add(stretch)
            yield line


def _connection_rows(document: InvoiceDocument) -> Iterator[list[object]]:
    for line in _own_lines(document, is_bandwidth=False):
        for each in connections_of(line):
            yield [
                *(line.position, each.connection_id, each.service, each.edge),
                *(each.started_at, each.duration_us, each.minutes),
            ]


def _bandwidth_rows(document: InvoiceDocument) -> Iterator[list[object]]:
    for line in _own_lines(document, is_bandwidth=True):
        for each in bytes_of(line):
            yield [
                *(line.position, "connection" if each.connection_id else "http"),
                *(each.service, each.edge, each.connection_id, each.instance),
                *(each.hour, each.requests),
                *(each.bytes_from_client, each.bytes_to_client),
            ]
