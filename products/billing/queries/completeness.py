"""What an invoice waits for before it becomes final: edges, disputes and the days of grace."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from products.billing.models import Invoice
from products.metering.models import UsageDispute
from products.metering.queries.edges import edges_behind
from products.metering.queries.usage import service_ids_of
from products.months import Month

GRACE = timedelta(days=3)
_MAX_NAMED = 5


@dataclass(frozen=True, slots=True)
class Missing:
    """Something that an invoice waits for; `code` is for programs, the sentence for people."""

    code: str
    sentence: str


def final_at(invoice: Invoice) -> datetime:
    """Return when the invoice becomes final if its usage is complete."""
    return invoice.ends_at + GRACE


def missing_usage(invoice: Invoice) -> list[Missing]:
    """Return why the usage of an invoice is not complete; each edge and dispute is named."""
    edges = [
        Missing(
            "edge_behind",
            f"The edge {edge.name} has not reported its usage up to the end.",
        )
        for edge in edges_behind(invoice.ends_at)
    ]
    disputes = UsageDispute.objects.filter(
        service__in=service_ids_of(invoice.account_id),
        month=invoice.month,
        resolved_at=None,
    ).order_by("pk")
    named = [
        Missing("open_dispute", f"The dispute about {row.record_id} is open.")
        for row in disputes[:_MAX_NAMED]
    ]
    more = disputes.count() - len(named)
    if more:
        named.append(Missing("open_dispute", f"{more} more disputes are open."))
    return [*edges, *named]


def months_to_invoice(running: Month) -> set[Month]:
    """Return the months that the sweep invoices if they have no invoice, or only a voided one."""
    return {running.plus(-2), running.plus(-1)}
