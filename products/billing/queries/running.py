"""The running bill of an account by product and service, with a forecast, and its costs by day."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import accumulate

from django.core.cache import cache

from accounts.actor import Actor
from accounts.models import Account
from accounts.policy import decide
from accounts.roles import Permission
from products.billing.bill import (
    BANDWIDTH,
    CONNECTION_TIME,
    Line,
    SegmentUsage,
    Terms,
    lines_of,
    subtotal,
)
from products.billing.forecast import Pace, pace_bounds, with_rest
from products.billing.models import Invoice
from products.billing.queries.bills import Bill, bounds_of, late_lines, running_bill
from products.billing.queries.terms import CurrencyConflict, month_at, terms_of
from products.catalogue.models import Product
from products.catalogue.money import EXACT, Money, exact_sum
from products.metering.queries import (
    Bounds,
    Freshness,
    freshness,
    usage_at,
)
from products.metering.queries.daily import totals_of
from products.metering.queries.usage import service_ids_of
from products.months import Month, midnights
from products.services.models import Service

# Usage of whole days changes only if a report was late.
_PACE_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class MonthCost:
    """What a month costs up to a time: the rounded amount, and the exact one."""

    amount: Money
    exact: Decimal

    @property
    def text(self) -> str:
        """Return the cost in words: also "less than 0.01 USD"."""
        return self.amount.in_words(self.exact)


@dataclass(frozen=True, slots=True)
class Cost(MonthCost):
    """What a product or a service costs."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class MonthCosts:
    """What a month costs, in words: in all, by service id, and what belongs to no service.

    `invoice` is None until there is a draft.
    """

    total: str
    services: Mapping[str, str]
    others: Money | None
    invoice: Invoice | None = None


@dataclass(frozen=True, slots=True)
class Forecast:
    """What the month is expected to cost, from the mean of so many whole days."""

    amount: Money
    days: int


@dataclass(frozen=True, slots=True)
class RunningBill:
    """The bill of the month that runs, and until when its usage is complete.

    `forecast` is None until a whole day was counted.
    """

    bill: Bill
    freshness: Freshness
    products: tuple[Cost, ...]
    services: tuple[Cost, ...]
    forecast: Forecast | None

    @property
    def subtotal(self) -> Money:
        """Return what the month costs so far."""
        return self.bill.subtotal

    @property
    def text(self) -> str:
        """Return what the month costs so far, in words: also "less than 0.01 USD"."""
        return self.bill.text


def bill_so_far(account: Account, now: datetime) -> Bill:
    """Return the bill of the month that runs. Raises CurrencyConflict."""
    return running_bill(account, month_at(account, now), now)


def visible_bill(actor: Actor, account: Account, now: datetime) -> Bill | None:
    """Return the bill so far; None if the actor sees no costs, or if it can't be computed."""
    if not decide(actor, Permission.BILLING_READ, account).allowed:
        return None
    try:
        return bill_so_far(account, now)
    except CurrencyConflict:
        return None


def running_account_bill(account: Account, now: datetime) -> RunningBill:
    """Return the running bill by product and service, with a forecast. Raises CurrencyConflict."""
    bill = bill_so_far(account, now)
    fresh = freshness(now, counted_at=bill.counted_at)
    return RunningBill(
        bill=bill,
        freshness=fresh,
        products=tuple(product_costs(bill).values()),
        services=service_costs(account, bill),
        forecast=_forecast(account, bill, fresh),
    )


def product_costs(bill: Bill) -> dict[str, Cost]:
    """Return what each product costs so far, by its slug."""
    names = dict(Product.objects.values_list("pk", "name"))
    found: dict[str, list[Line]] = {}
    for line in bill.lines:
        found.setdefault(line.product, []).append(line)
    return {
        slug: Cost(
            subtotal(lines, bill.terms.currency),
            exact_sum(line.exact for line in lines),
            slug,
            names[slug],
        )
        for slug, lines in found.items()
    }


def service_costs(account: Account, bill: Bill) -> tuple[Cost, ...]:
    """Return what each service costs so far, dearest first; fees belong to no service."""
    names = dict(
        Service.objects.filter(account_id=account.pk).values_list("pk", "name")
    )
    amounts: dict[str, Money] = {}
    exact: dict[str, Decimal] = {}
    for line in bill.lines:
        for key, (_, amount) in line.services.items():
            nothing = Money(0, bill.terms.currency)
            amounts[key] = amounts.get(key, nothing) + amount
        for key, part in exact_shares(line).items():
            exact[key] = EXACT.add(exact.get(key, Decimal(0)), part)
    rows = [Cost(amounts[key], exact[key], key, names[key]) for key in amounts]
    return tuple(sorted(rows, key=lambda row: (-row.exact, row.name)))


def other_costs(bill: Bill, services: Iterable[Cost]) -> Money | None:
    """Return what belongs to no service, such as a fee or late usage; None if there is nothing."""
    total = bill.subtotal
    for row in services:
        total -= row.amount
    return total or None


def costs_of_month(account: Account, month: Month, now: datetime) -> MonthCosts | None:
    """Return what a month costs: as its invoice says, or so far; None if that can't be computed."""
    drafted = [Invoice.Status.DRAFT, Invoice.Status.FINAL]
    rows = Invoice.objects.filter(
        account=account, month=str(month), kind=Invoice.Kind.MONTH
    )
    invoice = rows.filter(status__in=drafted).first()
    if invoice is not None:
        return _invoiced_costs(invoice)
    try:
        bill = running_bill(account, month, now)
    except CurrencyConflict:
        return None
    services = service_costs(account, bill)
    texts = {row.id: row.text for row in services}
    return MonthCosts(bill.text, texts, other_costs(bill, services))


def _invoiced_costs(invoice: Invoice) -> MonthCosts:
    nothing = Money(0, invoice.currency)
    amounts: dict[str, Money] = {}
    exact = Decimal(0)
    for shares, line_exact in invoice.lines.values_list("services", "amount_exact"):
        exact = EXACT.add(exact, Decimal(line_exact))
        for share in shares:
            amount = Money(share["amount_micros"], invoice.currency)
            amounts[share["service"]] = amounts.get(share["service"], nothing) + amount
    others = invoice.subtotal - sum(amounts.values(), start=nothing)
    return MonthCosts(
        invoice.subtotal.in_words(exact),
        {service: str(amount) for service, amount in amounts.items()},
        others or None,
        invoice,
    )


def exact_shares(line: Line) -> Mapping[str, Decimal]:
    """Return the exact amount of a line by service."""
    total = sum(quantity for quantity, _ in line.services.values())
    return {
        key: EXACT.divide(EXACT.multiply(line.exact, Decimal(quantity)), Decimal(total))
        for key, (quantity, _) in line.services.items()
    }


def costs_up_to(account: Account, month: Month, bounds: Bounds) -> list[MonthCost]:
    """Return what a month costs up to each bound but the first. Raises CurrencyConflict.

    Fees and late usage of earlier months count from the first day on. The bytes of a connection count where its last reading is.
    """
    terms = terms_of(account, month)
    used = _used_at(account, month, sorted({*bounds, *bounds_of(terms)}))
    late = late_lines(account, month, terms)
    bills = [
        [*lines_of(terms, _usage_until(terms, used, at)), *late] for at in bounds[1:]
    ]
    return [
        MonthCost(
            subtotal(lines, terms.currency), exact_sum(line.exact for line in lines)
        )
        for lines in bills
    ]


@dataclass(frozen=True, slots=True)
class _UsedAt:
    """The minutes and bytes of an account from the first cut up to each."""

    cuts: Sequence[datetime]
    minutes: Sequence[int]
    bytes: Sequence[int]

    def between(self, meter: str, start: datetime, end: datetime) -> int:
        """Return what was used from one cut to another."""
        totals = self.bytes if meter == BANDWIDTH else self.minutes
        return totals[self.cuts.index(end)] - totals[self.cuts.index(start)]


def _used_at(account: Account, month: Month, cuts: Sequence[datetime]) -> _UsedAt:
    found = usage_at(service_ids_of(account.pk), month, cuts)
    moved = totals_of(found.bytes, len(cuts) - 1)
    return _UsedAt(
        cuts, totals_of(found.minutes, len(cuts)), list(accumulate(moved, initial=0))
    )


def _usage_until(terms: Terms, used: _UsedAt, until: datetime) -> list[SegmentUsage]:
    """Return the usage of each segment until an instant, of all services together."""
    return [
        SegmentUsage(
            by_service={
                "": used.between(
                    each.meter,
                    each.starts_at,
                    max(each.starts_at, min(each.ends_at, until)),
                )
            }
        )
        for each in terms.segments
    ]


def _forecast(account: Account, bill: Bill, fresh: Freshness) -> Forecast | None:
    terms = bill.terms
    days = midnights(terms.starts_at, terms.ends_at, terms.zone)
    timed = [each.starts_at for each in terms.segments if each.meter == CONNECTION_TIME]
    start = min(timed, default=terms.starts_at)
    # An account without a product has traffic too, but none before it was created.
    bounds = pace_bounds(days, max(start, account.created_at), fresh.complete_to)
    if bounds is None or fresh.complete_to is None:
        return None
    pace = _pace(account, bill, *bounds)
    usage = with_rest(terms.segments, bill.usage, pace, fresh.complete_to)
    adjustments = [line for line in bill.lines if line.kind == "adjustment"]
    amount = subtotal([*lines_of(terms, usage), *adjustments], terms.currency)
    return Forecast(amount, pace.days)


def _pace(
    account: Account, bill: Bill, starts_at: datetime, ends_at: datetime, days: int
) -> Pace:
    key = f"pace:{account.pk}:{starts_at.timestamp()}:{ends_at.timestamp()}"
    kept: tuple[int, int] | None = cache.get(key)
    if kept is None:
        terms = bill.terms
        cuts = sorted({terms.starts_at, starts_at, ends_at, terms.ends_at})
        used = _used_at(account, bill.month, cuts)
        kept = (
            used.between(CONNECTION_TIME, starts_at, ends_at),
            used.between(BANDWIDTH, starts_at, ends_at),
        )
        cache.set(key, kept, _PACE_SECONDS)
    return Pace(starts_at, ends_at, days, *kept)
