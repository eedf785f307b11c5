"""What the operations on invoices, the budget and Fastly's billing read and answer."""

from collections.abc import Mapping
from typing import Final

from portal.openapi.schemas import (
    Described,
    Schema,
    array,
    choice,
    moment,
    nullable,
    number,
    obj,
    paged,
    text,
    whole,
)
from products.api.billing import (
    InvoiceListQuery,
    MonthsQuery,
    MonthToDate,
    PostedInvoice,
    PostedInvoices,
    ServiceUsageMetrics,
    ServiceUsageQuery,
    UsageMetrics,
)
from products.api.invoices import (
    BudgetReader,
    BudgetView,
    Invoices,
    InvoicesQuery,
    OneInvoice,
)

INVOICE: Final = obj(
    {
        "number": text("Empty while the invoice is a draft."),
        "month": text("Such as 2026-10."),
        "kind": choice("month", "late_usage"),
        "status": choice("draft", "final", "void"),
        "replaces": nullable(text("The voided invoice in whose place it is.")),
        "replaced_by": nullable(text("Of a voided one, once the other has a number.")),
        "currency": text(),
        "total": text("In the currency's units."),
        "credits": text(),
        "due": text(),
        "due_on": nullable(text("A day.")),
        "counted_at": moment(),
        "complete_to": nullable(moment()),
        "lines": array(
            obj(
                {
                    "kind": choice(
                        *("usage", "fee", "allowance", "trial"),
                        *("adjustment", "informational"),
                    ),
                    "product": text(),
                    "meter": text("Empty for a fee."),
                    "quantity": whole("Whole minutes or bytes; days of a fee."),
                    "amount": text("Rounded once."),
                    "amount_exact": text(),
                    "price_version": nullable(text()),
                    "digest": text("Of the usage records; empty while it is a draft."),
                }
            )
        ),
        "credit_notes": array(
            obj(
                {
                    "number": text(),
                    "amount": text("By which it corrects the invoice downwards."),
                    "reason": text(),
                    "issued_at": moment(),
                }
            )
        ),
    }
)
BUDGET: Final = obj(
    {
        "amount": nullable(text("Null without a budget.")),
        "currency": text(),
        "thresholds": array(whole()),
        "action": choice("notify", "block_new"),
        "reached": array(whole("A threshold.")),
        "spent": nullable(
            text("Null if the bill has another currency, or prices in several.")
        ),
    }
)
META: Final = obj(
    {"next_cursor": text(), "limit": whole(), "sort": text(), "total": whole()}
)


def _fastly_line(*, is_posted: bool) -> Schema:
    coupon = {"credit_coupon_code": text()} if is_posted else {}
    return obj(
        {
            "description": text(),
            "amount": number(),
            "rate": number(),
            "units": number(),
            "product_name": text(),
            "product_group": text(),
            "product_line": text(),
            "region": text(),
            "usage_type": text(),
        }
        | coupon
    )


POSTED: Final = obj(
    {
        "customer_id": text(),
        "invoice_id": text(),
        "invoice_posted_on": moment(),
        "billing_start_date": moment(),
        "billing_end_date": moment(),
        "statement_number": text(),
        "currency_code": text(),
        "monthly_transaction_amount": number(),
        "transaction_line_items": array(_fastly_line(is_posted=True)),
    }
)

OPERATIONS: Final[Mapping[tuple[type, str], Described]] = {
    (Invoices, "GET"): Described(answer=paged(INVOICE), query=InvoicesQuery),
    (OneInvoice, "GET"): Described(answer=INVOICE),
    (BudgetView, "GET"): Described(answer=BUDGET),
    (BudgetView, "PUT"): Described(answer=BUDGET, body=BudgetReader),
    (BudgetView, "DELETE"): Described(answer=None, status=204),
    (PostedInvoices, "GET"): Described(
        answer=obj({"data": array(POSTED), "meta": META}), query=InvoiceListQuery
    ),
    (PostedInvoice, "GET"): Described(answer=POSTED),
    (MonthToDate, "GET"): Described(
        answer=obj(
            {
                "customer_id": text(),
                "invoice_id": text(),
                "billing_start_date": moment(),
                "billing_end_date": moment(),
                "monthly_transaction_amount": text(),
                "transaction_line_items": array(_fastly_line(is_posted=False)),
            }
        )
    ),
    (UsageMetrics, "GET"): Described(
        answer=obj(
            {
                "data": array(
                    obj(
                        {
                            "month": text(),
                            "product_id": text(),
                            "usage_type": text(),
                            "name": text(),
                            "region": text(),
                            "unit": text(),
                            "quantity": number(),
                            "raw_quantity": number(),
                            "last_updated_at": text(),
                        }
                    )
                )
            }
        ),
        query=MonthsQuery,
    ),
    (ServiceUsageMetrics, "GET"): Described(
        answer=obj(
            {
                "data": obj(
                    {
                        "customer_id": text(),
                        "start_time": moment(),
                        "end_time": moment(),
                        "usage_type": text(),
                        "unit": text(),
                        "details": array(
                            obj(
                                {
                                    "customer_id": text(),
                                    "service_id": text(),
                                    "service_name": text(),
                                    "usage_units": number(),
                                }
                            )
                        ),
                        "meta": META,
                    }
                )
            }
        ),
        query=ServiceUsageQuery,
    ),
}
