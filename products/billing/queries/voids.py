"""What voiding usage of an edge would do: the usage of each account, and its bills."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from accounts.models import Account
from products.billing.models import Invoice
from products.enablement.agreements import text_hash
from products.metering.queries.voids import AffectedUsage, EdgeTime, review_void


@dataclass(frozen=True, slots=True)
class AffectedAccount:
    """An account (none for unknown services), its usage in the time, and its bills that follow."""

    account: Account | None
    usage: AffectedUsage
    invoices: Sequence[Invoice]

    @property
    def total_bytes(self) -> int:
        """Return the bytes in both directions, of ordinary HTTP too."""
        amounts = self.usage.to_json()
        return amounts["bytes_from_client"] + amounts["bytes_to_client"]


@dataclass(frozen=True, slots=True)
class VoidReview:
    """What a void would do; `seen` changes with the time, the accounts and the bills."""

    accounts: Sequence[AffectedAccount]
    seen: str

    @property
    def connections(self) -> int:
        """Return how many connections are affected."""
        return sum(each.usage.connections.connections for each in self.accounts)

    @property
    def minutes(self) -> int:
        """Return how many connection minutes are affected."""
        return sum(each.usage.connections.minutes for each in self.accounts)


def void_review(period: EdgeTime, now: datetime) -> VoidReview:
    """Return what voiding a time of an edge would do now. Raises as `void_usage` does."""
    usage = review_void(period, now)
    accounts = Account.objects.in_bulk([each.account_id for each in usage])
    rows = Invoice.objects.exclude(status=Invoice.Status.VOID).filter(
        account__in=accounts
    )
    invoices = list(rows.order_by("month", "pk"))
    affected = tuple(
        AffectedAccount(
            accounts.get(each.account_id),
            each,
            [
                invoice
                for invoice in invoices
                if invoice.account_id == each.account_id
                and invoice.month >= str(each.first_month)
            ],
        )
        for each in usage
    )
    # Amounts of open connections grow all the time, so they are not compared.
    parts = [
        repr(period),
        *(each.account_id for each in usage),
        *(
            f"{invoice.pk}.{invoice.status}"
            for each in affected
            for invoice in each.invoices
        ),
    ]
    return VoidReview(affected, text_hash(" ".join(parts)))
