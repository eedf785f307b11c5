"""Computes the bill of an account for a month, from its terms and its usage."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import chain
from typing import Final

from django.db.models import QuerySet, Sum

from accounts.models import Account
from accounts.prepared import PreparedQuery
from products.billing.bill import (
    BANDWIDTH,
    Line,
    Segment,
    SegmentUsage,
    Terms,
    lines_of,
    subtotal,
)
from products.billing.models import Adjustment, Invoice
from products.billing.queries.terms import period_of, terms_of
from products.catalogue.money import EXACT, MICROS, Money, exact_sum
from products.metering.models import UsagePeriod
from products.metering.queries import (
    Freshness,
    complete_to,
    freshness,
    totals_between,
)
from products.metering.queries.daily import MonthUsage, usage_up_to
from products.metering.queries.digests import (
    byte_lines,
    delivery_lines,
    digest,
    time_lines,
)
from products.metering.queries.usage import (
    byte_rows,
    delivery_between,
    service_ids_of,
    snapshot,
)
from products.months import Month, midnights


@dataclass(frozen=True, slots=True)
class Bill:
    """A computed bill: its terms and lines, when the usage was read and until when it is complete.

    `usage` has one entry per segment of the terms.
    """

    month: Month
    terms: Terms
    usage: tuple[SegmentUsage, ...]
    lines: tuple[Line, ...]
    counted_at: datetime
    complete_to: datetime | None

    @property
    def subtotal(self) -> Money:
        """Return the sum of the lines."""
        return subtotal(self.lines, self.terms.currency)

    @property
    def text(self) -> str:
        """Return the sum of the lines in words: also "less than 0.01 USD"."""
        return self.subtotal.in_words(self.exact)

    @property
    def exact(self) -> Decimal:
        """Return the sum of the lines before they were rounded."""
        return exact_sum(line.exact for line in self.lines)

    @property
    def has_something(self) -> bool:
        """Tell whether there is anything to bill; a product that was enabled is enough (V30)."""
        bought = any(each.meter != BANDWIDTH for each in self.terms.segments)
        return bool(self.lines or self.terms.fees or bought)


@dataclass(frozen=True, slots=True)
class RunningMonth:
    """The bill of a month that still runs, and the usage at `bounds_of` its terms, which is so fresh."""

    bill: Bill
    used: MonthUsage
    freshness: Freshness


def running_bill(account: Account, month: Month, now: datetime) -> Bill:
    """Compute the bill of a month that still runs, without digests. Raises CurrencyConflict."""
    return running_month(account, month, now).bill


@snapshot()
def running_month(account: Account, month: Month, now: datetime) -> RunningMonth:
    """Compute the bill of a month that still runs, and return it with its usage.

    With few usage records it is computed from those of now. With many it is computed from
    the periods, which are at most ten minutes old, so that this is fast for any number.
    Raises CurrencyConflict.
    """
    terms = terms_of(account, month)
    used = usage_up_to(service_ids_of(account.pk), month, bounds_of(terms))
    usage = [_segment_usage(used, each) for each in terms.segments]
    counted_at = min(now, used.counted_at or now)
    fresh = freshness(now, counted_at=counted_at)
    bill = _bill(account, month, terms, usage, counted_at, fresh.complete_to)
    return RunningMonth(bill, used, fresh)


def bounds_of(terms: Terms) -> list[datetime]:
    """Return the instants at which the days of the month and its segments start and end."""
    days = midnights(terms.starts_at, terms.ends_at, terms.zone)
    pairs = [(each.starts_at, each.ends_at) for each in terms.segments]
    return sorted({*days, *chain.from_iterable(pairs)})


@snapshot()
def computed_bill(account: Account, month: Month, now: datetime) -> Bill:
    """Compute the bill of a month from the usage records themselves, with digests."""
    terms = terms_of(account, month)
    services = service_ids_of(account.pk)
    usage = [_counted_usage(services, month, each) for each in terms.segments]
    return _bill(account, month, terms, usage, now, complete_to())


def _bill(
    account: Account,
    month: Month,
    terms: Terms,
    usage: Sequence[SegmentUsage],
    counted_at: datetime,
    complete: datetime | None,
) -> Bill:
    pending = pending_adjustments(account.pk, month, terms.currency)
    lines = [*lines_of(terms, usage), *_adjustment_lines(terms, pending)]
    return Bill(month, terms, tuple(usage), tuple(lines), counted_at, complete)


def pending_adjustments(
    account_id: str, month: Month, currency: str
) -> Sequence[Adjustment]:
    """Return the late usage of earlier months that is on no final invoice yet, in a currency."""
    return _PENDING.rows(account_id, str(month), currency)


def unbilled_adjustments() -> "QuerySet[Adjustment]":
    """Return the late usage that is on no final invoice yet."""
    return Adjustment.objects.exclude(billed_on__status=Invoice.Status.FINAL)


_PENDING: Final = PreparedQuery(
    lambda account_id, month, currency: (
        unbilled_adjustments()
        .filter(
            corrects__account_id=account_id,
            corrects__month__lt=month,
            corrects__currency=currency,
        )
        .select_related("corrects")
        .order_by("pk")
    )
)


def other_currencies(account: Account, month: Month, currency: str) -> list[str]:
    """Return the currencies of late usage that the invoice of a month can't bill, in order."""
    rows = unbilled_adjustments().filter(
        corrects__account=account, corrects__month__lt=str(month)
    )
    found = set(rows.values_list("corrects__currency", flat=True))
    return sorted(found - {currency})


def late_usage_bill(
    account: Account, month: Month, currency: str, now: datetime
) -> Bill:
    """Return the bill of what is late in a currency that is not that of the month."""
    period = period_of(account, month)
    terms = Terms(
        starts_at=period.starts_at,
        ends_at=period.ends_at,
        zone=period.zone,
        currency=currency,
        segments=(),
        fees=(),
    )
    pending = pending_adjustments(account.pk, month, currency)
    lines = tuple(_adjustment_lines(terms, pending))
    return Bill(month, terms, (), lines, now, complete_to())


def late_lines(account: Account, month: Month, terms: Terms) -> list[Line]:
    """Return the lines of late usage of earlier months: those on the final invoice, or those to come."""
    months = Invoice.of_month(account, month)
    final = months.filter(status=Invoice.Status.FINAL).first()
    if final is None:
        return _adjustment_lines(
            terms, pending_adjustments(account.pk, month, terms.currency)
        )
    rows = Adjustment.objects.filter(billed_on=final).select_related("corrects")
    return _adjustment_lines(terms, rows.order_by("pk"))


def _adjustment_lines(terms: Terms, rows: Iterable[Adjustment]) -> list[Line]:
    return [
        Line(
            kind="adjustment",
            product=row.product_id,
            meter=row.meter,
            starts_at=row.corrects.starts_at,
            ends_at=row.corrects.ends_at,
            amount=Money(row.amount_micros, terms.currency),
            exact=EXACT.divide(Decimal(row.amount_micros), Decimal(MICROS)),
            quantity=row.quantity,
            month=row.corrects.month,
        )
        for row in rows
    ]


def _segment_usage(used: MonthUsage, segment: Segment) -> SegmentUsage:
    start, end = segment.starts_at, segment.ends_at
    if segment.meter == BANDWIDTH:  # the delivery of a month is one segment
        return _bandwidth(used.connection_bytes(), used.delivery_bytes(start, end), "")
    return SegmentUsage(
        by_service=used.minutes(start, end),
        connections=sum(used.connections(start, end).values()),
    )


def _counted_usage(services: list[str], month: Month, segment: Segment) -> SegmentUsage:
    """Return the usage of a segment from the usage records, with its digest."""
    start, end = segment.starts_at, segment.ends_at
    if segment.meter == BANDWIDTH:
        return _counted_bandwidth(services, month, segment)
    totals = totals_between(services, start, end)
    return SegmentUsage(
        by_service={key: each.minutes for key, each in totals.items() if each.minutes},
        connections=sum(each.connections for each in totals.values()),
        digest=digest(time_lines(services, start, end)),
    )


def _counted_bandwidth(
    services: list[str], month: Month, segment: Segment
) -> SegmentUsage:
    start, end = segment.starts_at, segment.ends_at
    rows = (
        byte_rows(services, str(month))
        .values("service")
        .annotate(moved=Sum("bytes_from_client") + Sum("bytes_to_client"))
    )
    delivery = delivery_between(services, start, end)
    return _bandwidth(
        {row["service"]: int(row["moved"]) for row in rows},
        {
            key: each.bytes_from_client + each.bytes_to_client
            for key, each in delivery.items()
        },
        digest(
            chain(
                byte_lines(services, str(month)), delivery_lines(services, start, end)
            )
        ),
    )


def _bandwidth(
    moved: dict[str, int], plain: dict[str, int], digest_: str
) -> SegmentUsage:
    """Add the bytes of connections and of ordinary HTTP: one delivery line (R15)."""
    services = sorted(set(moved) | set(plain))
    together = {key: moved.get(key, 0) + plain.get(key, 0) for key in services}
    return SegmentUsage(
        by_service={key: each for key, each in together.items() if each},
        connection_bytes=sum(moved.values()),
        digest=digest_,
    )


def is_stale(invoice: Invoice) -> bool:
    """Tell whether usage of the invoice's month may have arrived since it was counted.

    A report marks its periods as stale in its own transaction, see `UsagePeriod.stale_until`.
    """
    periods = UsagePeriod.objects.filter(
        service__in=service_ids_of(invoice.account_id), month=invoice.month
    )
    return periods.filter(stale_until__gt=invoice.counted_at).exists()
