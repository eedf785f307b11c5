"""The running bill of an account by product and service, with a forecast, and its costs by day."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import accumulate

from accounts.models import Account
from accounts.policy import AccountAccess
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
from products.billing.queries.bills import (
    Bill,
    RunningMonth,
    bounds_of,
    late_lines,
    running_bill,
    running_month,
)
from products.billing.queries.terms import CurrencyConflict, month_at, terms_of
from products.catalogue.models import Product
from products.catalogue.money import EXACT, Money, exact_sum
from products.metering.queries import (
    Bounds,
    Freshness,
)
from products.metering.queries.daily import MonthUsage, totals_of, usage_up_to
from products.metering.queries.usage import service_ids_of, snapshot
from products.months import Month, midnights
from products.services.models import Service


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

    `days` has the costs up to the end of each day, and `used` the usage of all services; both are
    empty if they can't be computed. `invoice` is None until there is a draft.
    """

    total: str
    services: Mapping[str, str]
    others: Money | None
    days: Sequence[MonthCost]
    used: MonthUsage | None
    invoice: Invoice | None = None
    freshness: Freshness | None = None  # of the month that runs


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


def visible_month(
    access: AccountAccess, account: Account, now: datetime
) -> RunningMonth | None:
    """Return the month so far; None if the actor sees no costs, or if it can't be computed."""
    if not access.decide(Permission.BILLING_READ).allowed:
        return None
    try:
        return running_month(account, month_at(account, now), now)
    except CurrencyConflict:
        return None


def running_account_bill(account: Account, now: datetime) -> RunningBill:
    """Return the running bill by product and service, with a forecast. Raises CurrencyConflict."""
    running = running_month(account, month_at(account, now), now)
    bill = running.bill
    return RunningBill(
        bill=bill,
        freshness=running.freshness,
        products=tuple(product_costs(bill).values()),
        services=service_costs(account, bill),
        forecast=_forecast(account, running),
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
    rows = Invoice.of_month(account, month)
    invoice = rows.filter(status__in=drafted).first()
    if invoice is not None:
        return _invoiced_costs(account, month, invoice)
    try:
        running = running_month(account, month, now)
    except CurrencyConflict:
        return None
    bill = running.bill
    services = service_costs(account, bill)
    return MonthCosts(
        total=bill.text,
        services={row.id: row.text for row in services},
        others=other_costs(bill, services),
        days=costs_so_far(running, _days_of(bill.terms)),
        used=running.used,
        freshness=running.freshness,
    )


def _invoiced_costs(account: Account, month: Month, invoice: Invoice) -> MonthCosts:
    nothing = Money(0, invoice.currency)
    amounts: dict[str, Money] = {}
    exact = Decimal(0)
    for shares, line_exact in invoice.lines.values_list("services", "amount_exact"):
        exact = EXACT.add(exact, Decimal(line_exact))
        for share in shares:
            amount = Money(share["amount_micros"], invoice.currency)
            amounts[share["service"]] = amounts.get(share["service"], nothing) + amount
    others = invoice.subtotal - sum(amounts.values(), start=nothing)
    days, used = _days_of_invoice(account, month)
    return MonthCosts(
        total=invoice.subtotal.in_words(exact),
        services={service: str(amount) for service, amount in amounts.items()},
        others=others or None,
        days=days,
        used=used,
        invoice=invoice,
    )


def _days_of_invoice(
    account: Account, month: Month
) -> tuple[Sequence[MonthCost], MonthUsage | None]:
    try:
        terms = terms_of(account, month)
    except CurrencyConflict:
        return (), None
    used = _usage_at_terms(account, month, terms)
    late = late_lines(account, month, terms)
    return _costs_up_to(terms, used, late, _days_of(terms)), used


def exact_shares(line: Line) -> Mapping[str, Decimal]:
    """Return the exact amount of a line by service."""
    total = sum(quantity for quantity, _ in line.services.values())
    return {
        key: EXACT.divide(EXACT.multiply(line.exact, Decimal(quantity)), Decimal(total))
        for key, (quantity, _) in line.services.items()
    }


def costs_so_far(running: RunningMonth, bounds: Bounds) -> list[MonthCost]:
    """Return what a running month costs up to each bound but the first, all of `bounds_of` its terms."""
    bill = running.bill
    return _costs_up_to(bill.terms, running.used, _adjustments(bill), bounds)


def _adjustments(bill: Bill) -> list[Line]:
    return [line for line in bill.lines if line.kind == "adjustment"]


def _costs_up_to(
    terms: Terms, used: MonthUsage, late: Sequence[Line], bounds: Bounds
) -> list[MonthCost]:
    """Return the costs up to each bound but the first.

    Fees and late usage of earlier months count from the first day on. The bytes of a connection
    count where its last reading is.
    """
    found = _used_at(used, bounds_of(terms))
    bills = [
        [*lines_of(terms, _usage_until(terms, found, at)), *late] for at in bounds[1:]
    ]
    return [
        MonthCost(
            subtotal(lines, terms.currency), exact_sum(line.exact for line in lines)
        )
        for lines in bills
    ]


def _days_of(terms: Terms) -> list[datetime]:
    return midnights(terms.starts_at, terms.ends_at, terms.zone)


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


@snapshot()
def _usage_at_terms(account: Account, month: Month, terms: Terms) -> MonthUsage:
    return usage_up_to(service_ids_of(account.pk), month, bounds_of(terms))


def _used_at(used: MonthUsage, cuts: Sequence[datetime]) -> _UsedAt:
    found = used.at(cuts)
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


def _forecast(account: Account, running: RunningMonth) -> Forecast | None:
    terms, complete_to = running.bill.terms, running.freshness.complete_to
    timed = [each.starts_at for each in terms.segments if each.meter == CONNECTION_TIME]
    start = min(timed, default=terms.starts_at)
    # An account without a product has traffic too, but none before it was created.
    bounds = pace_bounds(_days_of(terms), max(start, account.created_at), complete_to)
    if bounds is None or complete_to is None:
        return None
    starts_at, ends_at, days = bounds
    used = _used_at(running.used, bounds_of(terms))
    pace = Pace(
        starts_at,
        ends_at,
        days,
        used.between(CONNECTION_TIME, starts_at, ends_at),
        used.between(BANDWIDTH, starts_at, ends_at),
    )
    usage = with_rest(terms.segments, running.bill.usage, pace, complete_to)
    lines = [*lines_of(terms, usage), *_adjustments(running.bill)]
    return Forecast(subtotal(lines, terms.currency), pace.days)
