"""Reads for bills: terms, usage, what is missing, credits and invoices."""

from products.billing.queries.bills import computed_bill, running_bill
from products.billing.queries.completeness import missing_usage
from products.billing.queries.credits import balance
from products.billing.queries.invoices import (
    connections_of,
    open_invoice,
    posted_invoices,
)

__all__ = [
    "balance",
    "computed_bill",
    "connections_of",
    "missing_usage",
    "open_invoice",
    "posted_invoices",
    "running_bill",
]
