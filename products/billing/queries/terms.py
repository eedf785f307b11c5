"""The terms of an account in a month: its period, currency, segments and fees."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import Final

from django.conf import settings

from accounts.errors import Conflict
from accounts.models import Account
from accounts.prepared import PreparedQuery
from products.billing.bill import (
    BANDWIDTH,
    CONNECTION_TIME,
    Fee,
    Holding,
    PlanPrice,
    Segment,
    Terms,
    fees_of,
    price_at,
    segments_of,
)
from products.billing.models import Contract
from products.calendars import calendar_of
from products.catalogue.models import Plan, PriceVersion
from products.catalogue.queries import (
    billable_prices,
    direct_at,
    tiered_price,
)
from products.compatibility.version_config import WEBSOCKETS
from products.enablement.models import Enablement
from products.months import Month

DEFAULT_CURRENCY = "USD"


class CurrencyConflict(Conflict):
    """A price is in another currency than the account's bill."""

    code = "currency_conflict"


@dataclass(frozen=True, slots=True)
class Period:
    """The period of a bill in the account's billing zone, half-open."""

    starts_at: datetime
    ends_at: datetime
    zone: str


def contract_of(account_id: str, month: Month) -> Contract | None:
    """Return the contract that counts for a month; None if the account has none."""
    return _CONTRACT.first(account_id, str(month))


_CONTRACT: Final = PreparedQuery(
    lambda account_id, month: Contract.objects.filter(
        account_id=account_id, from_month__lte=month
    ).order_by("-from_month", "-pk")[:1]
)
_ENABLEMENTS: Final = PreparedQuery(
    lambda account_id, until: Enablement.objects.filter(
        account=account_id, starts_at__lt=until
    ).order_by("product_id", "starts_at")
)


def month_at(account: Account, when: datetime) -> Month:
    """Return the month of an account that contains an instant."""
    return calendar_of(account).month_at(when)


def period_of(account: Account, month: Month) -> Period:
    """Return the period of a month. After a change of the zone it starts where the last one ended."""
    calendar = calendar_of(account)
    return Period(
        calendar.starts_at(month), calendar.ends_at(month), calendar.zone_in(month)
    )


def currency_of(account: Account, month: Month) -> str:
    """Return the currency of an account's bill.

    If the bill can't be computed, that of the contract; without one, the usual currency.
    """
    try:
        return terms_of(account, month).currency
    except CurrencyConflict:
        contract = contract_of(account.pk, month)
        return contract.currency if contract else DEFAULT_CURRENCY


def terms_of(account: Account, month: Month) -> Terms:
    """Return an account's terms in a month. Raises CurrencyConflict."""
    period = period_of(account, month)
    enabled = _ENABLEMENTS.rows(account.pk, period.ends_at)
    found = billable_prices(
        {row.plan_id for row in enabled}, period.starts_at, period.ends_at, account
    )
    # What is part of every account comes first.
    holdings = [
        *_always_held(account, period, found),
        *_enabled(period, enabled, _own_prices(account, found)),
    ]
    plans = {each.plan_id for each in holdings}
    prices = [
        _plan_price(row)
        for row in found
        if row.plan_id in plans
        and row.effective_from < period.ends_at
        and (row.effective_to is None or row.effective_to > period.starts_at)
    ]
    contract = contract_of(account.pk, month)
    currency = _currency(contract, prices, account)
    segments: list[Segment] = []
    fees: list[Fee] = []
    for product, group in groupby(holdings, key=lambda each: each.product):
        held = list(group)
        if is_metered(product, CONNECTION_TIME):
            segments += segments_of(held, prices, period.starts_at, period.ends_at)
        segments += _bandwidth_segments(held, prices, period)
        fees += fees_of(held, prices, period.starts_at, period.ends_at, period.zone)
    return Terms(
        starts_at=period.starts_at,
        ends_at=period.ends_at,
        zone=period.zone,
        currency=currency,
        segments=tuple(segments),
        fees=tuple(fees),
    )


def is_metered(product: str, meter: str) -> bool:
    """Tell whether usage on a meter is billed for a product: minutes of WebSockets, bytes of others."""
    return (product == WEBSOCKETS) == (meter == CONNECTION_TIME)


def _always_held(
    account: Account, period: Period, prices: Sequence[PriceVersion]
) -> Iterable[Holding]:
    held: set[str] = set()
    # At the start of the account, too, if that is within the period.
    starts_at = max(period.starts_at, account.created_at)
    for when in sorted({period.starts_at, starts_at}):
        for slug, price in direct_at(prices, when).items():
            product = price.plan.product
            if product.is_always_included and (slug not in held):
                held.add(slug)
                yield Holding(
                    product=slug,
                    plan_id=price.plan_id,
                    is_trial=False,
                    starts_at=starts_at,
                )


def _enabled(
    period: Period,
    rows: Sequence[Enablement],
    own: Mapping[str, tuple[str, datetime]],
) -> list[Holding]:
    return [
        part
        for row in rows
        for part in _at_own_price(_holding(row), own.get(row.product_id))
        if part.starts_at < period.ends_at
        and (part.counts_until is None or part.counts_until > period.starts_at)
    ]


def _holding(row: Enablement) -> Holding:
    is_direct = row.source == Enablement.Source.DIRECT
    return Holding(
        product=row.product_id,
        plan_id=row.plan_id,
        is_trial=row.source == Enablement.Source.TRIAL,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        counts_until=_counts_until(row),
        price_group=row.product_id if is_direct else "",
    )


def _own_prices(
    account: Account, prices: Sequence[PriceVersion]
) -> dict[str, tuple[str, datetime]]:
    """Return the account's own direct plan of each product, and when it has its first price."""
    own = [
        row
        for row in prices
        if row.plan.account_id == account.pk
        and row.plan.kind == Plan.Kind.DIRECT
        and row.plan.retired_at is None
    ]
    return {
        row.plan.product_id: (row.plan_id, row.effective_from) for row in reversed(own)
    }


def _at_own_price(
    holding: Holding, own: tuple[str, datetime] | None
) -> Iterable[Holding]:
    """Cut a holding of the plan of everyone where the account's own price begins."""
    until = holding.counts_until
    is_bought = bool(holding.price_group)
    if own is None or not is_bought or (until is not None and until <= own[1]):
        return [holding]
    plan_id, at = own
    later = replace(holding, plan_id=plan_id, starts_at=max(at, holding.starts_at))
    if at <= holding.starts_at:
        return [later]
    ends_at = min(at, holding.ends_at or at)
    return [replace(holding, ends_at=ends_at, counts_until=at), later]


def _counts_until(row: Enablement) -> datetime | None:
    """Return until when open connections count: also while they drain, and if kept, to their end."""
    if row.drain_mode == Enablement.DrainMode.KEEP:
        return None
    return row.drain_until or row.ends_at


def _bandwidth_segments(
    held: Sequence[Holding], prices: Sequence[PlanPrice], period: Period
) -> Iterable[Segment]:
    """Yield the delivery of the month at one price: that of its start (prices change with months)."""
    mine = [
        each
        for each in prices
        if each.plan_id == held[-1].plan_id and each.meter == BANDWIDTH
    ]
    if mine and is_metered(held[-1].product, BANDWIDTH):
        yield Segment(
            product=held[-1].product,
            meter=BANDWIDTH,
            plan_id=held[-1].plan_id,
            starts_at=period.starts_at,
            ends_at=period.ends_at,
            price=price_at(mine, period.starts_at) or mine[0],
        )


def _plan_price(row: PriceVersion) -> PlanPrice:
    return PlanPrice(
        version_id=row.pk,
        number=row.number,
        plan_id=row.plan_id,
        product=row.plan.product_id,
        meter=row.meter,
        currency=row.currency,
        price=tiered_price(row),
        effective_from=row.effective_from,
        effective_to=row.effective_to,
        fee_micros=row.fee_micros,
        included=row.included_units * row.unit_size,
        is_daily=row.proration == PriceVersion.Proration.DAILY,
    )


def _currency(
    contract: Contract | None, prices: Sequence[PlanPrice], account: Account
) -> str:
    found = defaultdict(list)
    for each in prices:
        found[each.currency].append(each.product)
    default = next(iter(sorted(found)), DEFAULT_CURRENCY)
    currency = contract.currency if contract else default
    others = sorted({name for key in found if key != currency for name in found[key]})
    if others:
        raise CurrencyConflict(
            f"{account.name} is billed in {currency}, but these products have prices "
            f"in another currency: {', '.join(others)}. Ask {settings.SALES_EMAIL} for own prices "
            f"of the account in {currency}."
        )
    return currency
