"""Makes the lines of a bill from terms and usage; pure, so that a preview equals the invoice.

The terms of a month are segments: stretches of time with one plan and one price. Each segment's
usage is rated where the one before it ended within the tiers of the plan (V12). What a trial or an
allowance covers costs nothing and does not advance the tiers. Sources: R13 to R16.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from products.billing.rating import RatedUsage, after_allowance, rate
from products.billing.shares import shares
from products.catalogue.money import EXACT, MICROS, Money
from products.catalogue.tiers import TieredPrice

CONNECTION_TIME: Final = "connection_time"
BANDWIDTH: Final = "bandwidth"
_A_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanPrice:
    """A price version as a bill uses it; `included` is in minutes or bytes."""

    version_id: str
    number: int
    plan_id: str
    product: str
    meter: str
    currency: str
    price: TieredPrice
    effective_from: datetime
    effective_to: datetime | None = None
    fee_micros: int = 0
    included: int = 0
    is_daily: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A stretch of time with one plan and price: `price` is None if the plan has none."""

    product: str
    meter: str
    plan_id: str
    starts_at: datetime
    ends_at: datetime
    price: PlanPrice | None = None
    is_trial: bool = False
    price_group: str = ""  # see Holding


@dataclass(frozen=True, slots=True, kw_only=True)
class Fee:
    """A fee, and how many days of the month are charged if it is charged by days."""

    price: PlanPrice
    days: int
    days_in_month: int
    price_group: str = ""  # see Holding

    @property
    def exact(self) -> Decimal:
        """Return the exact amount of the fee."""
        whole = EXACT.divide(Decimal(self.price.fee_micros), Decimal(MICROS))
        if not self.price.is_daily:
            return whole
        return EXACT.divide(whole * self.days, Decimal(self.days_in_month))

    @property
    def included(self) -> int:
        """Return what the fee includes, in minutes or bytes; by days rounded down (V19)."""
        if not self.price.is_daily:
            return self.price.included
        return self.price.included * self.days // self.days_in_month


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What an account agreed to in a month: when it was, its segments and its fees."""

    starts_at: datetime
    ends_at: datetime
    zone: str
    currency: str
    segments: tuple[Segment, ...]
    fees: tuple[Fee, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentUsage:
    """What services used in a segment: minutes or bytes by service, and the digest of its records.

    `connection_bytes` is the part of a bandwidth's bytes that connections moved (R15).
    """

    by_service: Mapping[str, int] = field(default_factory=dict)
    connections: int = 0
    connection_bytes: int = 0
    digest: str = ""

    @property
    def quantity(self) -> int:
        """Return the minutes or bytes of all services."""
        return sum(self.by_service.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of a bill; `InvoiceLine` keeps it."""

    kind: str
    product: str
    meter: str
    starts_at: datetime
    ends_at: datetime
    amount: Money
    exact: Decimal = Decimal(0)
    price: PlanPrice | None = None
    quantity: int = 0
    connections: int = 0
    tier_start: int = 0
    rated: RatedUsage | None = None
    services: Mapping[str, tuple[int, Money]] = field(default_factory=dict)
    digest: str = ""
    month: str = ""  # an adjustment's own month


def lines_of(terms: Terms, usage: Sequence[SegmentUsage]) -> list[Line]:
    """Return the lines of a bill: the fees, then each segment with its usage, in order.

    `usage` has one entry per segment. A segment without usage has no line (V30).
    """
    lines = [_fee_line(terms, fee) for fee in terms.fees if fee.price.fee_micros]
    included: dict[tuple[str, str], int] = {}
    for fee in terms.fees:
        key = fee.price_group or fee.price.plan_id, fee.price.meter
        included[key] = included.get(key, 0) + fee.included
    position: dict[tuple[str, str], int] = {}
    for segment, used in zip(terms.segments, usage, strict=True):
        if not used.quantity:
            continue
        if segment.is_trial or segment.price is None:
            kind = "trial" if segment.is_trial else "allowance"
            lines.append(_free_line(terms, segment, used, kind, used.quantity))
            continue
        key = segment.price_group or segment.plan_id, segment.meter
        split = after_allowance(used.quantity, included.get(key, 0))
        included[key] = included.get(key, 0) - split.free
        if split.free:
            lines.append(_free_line(terms, segment, used, "allowance", split.free))
        if split.billable:
            start = position.get(key, 0)
            lines.append(_usage_line(terms, segment, used, split.billable, start))
            position[key] = start + split.billable
        if used.connection_bytes:
            lines.append(_connection_bytes_line(terms, segment, used))
    return lines


def subtotal(lines: Iterable[Line], currency: str) -> Money:
    """Return the sum of the rounded lines."""
    return sum((line.amount for line in lines), start=Money(0, currency))


def _fee_line(terms: Terms, fee: Fee) -> Line:
    return Line(
        kind="fee",
        product=fee.price.product,
        meter="",
        starts_at=terms.starts_at,
        ends_at=terms.ends_at,
        amount=Money.rounded(fee.exact, terms.currency),
        exact=fee.exact,
        price=fee.price,
        quantity=fee.days,
    )


def _free_line(
    terms: Terms, segment: Segment, used: SegmentUsage, kind: str, quantity: int
) -> Line:
    nothing = Money(0, terms.currency)
    return Line(
        kind=kind,
        product=segment.product,
        meter=segment.meter,
        starts_at=segment.starts_at,
        ends_at=segment.ends_at,
        amount=nothing,
        price=segment.price,
        quantity=quantity,
        connections=used.connections,
        services={key: (each, nothing) for key, each in used.by_service.items()},
        digest=used.digest,
    )


def _usage_line(
    terms: Terms, segment: Segment, used: SegmentUsage, billable: int, start: int
) -> Line:
    assert segment.price is not None  # noqa: S101 - the caller has looked
    rated = rate(segment.price.price, billable, position=start)
    amount = rated.rounded(terms.currency)
    return Line(
        kind="usage",
        product=segment.product,
        meter=segment.meter,
        starts_at=segment.starts_at,
        ends_at=segment.ends_at,
        amount=amount,
        exact=rated.exact,
        price=segment.price,
        quantity=billable,
        connections=used.connections,
        tier_start=start,
        rated=rated,
        services=_by_service(used.by_service, amount),
        digest=used.digest,
    )


def _connection_bytes_line(terms: Terms, segment: Segment, used: SegmentUsage) -> Line:
    """Show the bytes of connections, which the line of the delivery contains (V25)."""
    return Line(
        kind="informational",
        product=segment.product,
        meter=segment.meter,
        starts_at=segment.starts_at,
        ends_at=segment.ends_at,
        amount=Money(0, terms.currency),
        quantity=used.connection_bytes,
        connections=used.connections,
    )


def _by_service(
    quantities: Mapping[str, int], amount: Money
) -> dict[str, tuple[int, Money]]:
    parts = shares(amount, quantities)
    return {key: (each, parts[key]) for key, each in quantities.items()}


# Terms from enablements and prices


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """An enablement as a bill sees it: usage counts until `counts_until` (None: while it lasts).

    Within a month, holdings of one `price_group` share tiers, allowance and fee, as if the price of
    one plan had changed. Without it a plan is a group of its own.
    """

    product: str
    plan_id: str
    is_trial: bool
    starts_at: datetime
    ends_at: datetime | None = None
    counts_until: datetime | None = None
    price_group: str = ""


def segments_of(
    holdings: Sequence[Holding],
    prices: Sequence[PlanPrice],
    starts_at: datetime,
    ends_at: datetime,
) -> list[Segment]:
    """Cut the holdings of one product into segments of connection time, in order of time.

    A segment ends where the price changes, where the usage of a holding no longer counts, where
    the next holding starts, and where the month ends.
    """
    segments: list[Segment] = []
    following = [each.starts_at for each in holdings[1:]]
    for holding, next_start in zip(holdings, [*following, ends_at], strict=True):
        start = max(holding.starts_at, starts_at)
        end = min(holding.counts_until or ends_at, next_start, ends_at)
        segments += _cut(holding, prices, start, end)
    return segments


def _cut(
    holding: Holding, prices: Sequence[PlanPrice], start: datetime, end: datetime
) -> Iterable[Segment]:
    mine = [
        each
        for each in prices
        if each.plan_id == holding.plan_id and each.meter == CONNECTION_TIME
    ]
    bounds = {each.effective_from for each in mine}
    bounds |= {each.effective_to for each in mine if each.effective_to}
    cuts = sorted({start, *(each for each in bounds if start < each < end)})
    for low, high in zip(cuts, [*cuts[1:], end], strict=True):
        if low < high:
            yield Segment(
                product=holding.product,
                meter=CONNECTION_TIME,
                plan_id=holding.plan_id,
                starts_at=low,
                ends_at=high,
                price=price_at(mine, low),
                is_trial=holding.is_trial,
                price_group=holding.price_group,
            )


def price_at(prices: Iterable[PlanPrice], when: datetime) -> PlanPrice | None:
    """Return the price in force at an instant; None if there is none."""
    for each in prices:
        ended = each.effective_to is not None and each.effective_to <= when
        if each.effective_from <= when and not ended:
            return each
    return None


def fees_of(
    holdings: Sequence[Holding],
    prices: Sequence[PlanPrice],
    terms_start: datetime,
    terms_end: datetime,
    zone: str,
) -> list[Fee]:
    """Return the fees of a product's plans in a month, one per price version that is charged.

    A fee without proration is charged once, at the price of the first day. By days, each day on
    which a holding covers any time is charged at the price of that time, unless the price of the
    first day charges the whole month.
    """
    days_in_month = len(_days(terms_start, terms_end, zone))
    counted: dict[tuple[str, str], dict[str, int]] = {}
    by_id = {each.version_id: each for each in prices}
    for (group, meter), day_prices in _prices_by_day(
        holdings, prices, terms_start, terms_end, zone
    ).items():
        chosen = [day_prices[day] for day in sorted(day_prices)]
        whole_month = not chosen[0].is_daily
        for each in chosen[:1] if whole_month else chosen:
            if each.is_daily or whole_month:
                counts = counted.setdefault((group, meter), {})
                counts[each.version_id] = counts.get(each.version_id, 0) + 1
    return [
        Fee(
            price=by_id[version],
            days=days,
            days_in_month=days_in_month,
            price_group=group,
        )
        for (group, _), counts in counted.items()
        for version, days in counts.items()
        if by_id[version].fee_micros or by_id[version].included
    ]


def _prices_by_day(
    holdings: Sequence[Holding],
    prices: Sequence[PlanPrice],
    starts_at: datetime,
    ends_at: datetime,
    zone: str,
) -> dict[tuple[str, str], dict[date, PlanPrice]]:
    found: dict[tuple[str, str], dict[date, PlanPrice]] = {}
    for holding in holdings:
        start = max(holding.starts_at, starts_at)
        end = min(holding.ends_at or ends_at, ends_at)
        if holding.is_trial or start >= end:
            continue
        for meter in {each.meter for each in prices}:
            mine = [
                each
                for each in prices
                if (each.plan_id, each.meter) == (holding.plan_id, meter)
            ]
            for day in _days(start, end, zone):
                midnight = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone))
                if price := price_at(mine, max(start, midnight)):
                    group = holding.price_group or holding.plan_id
                    days = found.setdefault((group, meter), {})
                    days.setdefault(day, price)
    return found


def _days(starts_at: datetime, ends_at: datetime, zone: str) -> list[date]:
    """Return the calendar days of a zone on which a half-open period has any time."""
    first = starts_at.astimezone(ZoneInfo(zone)).date()
    last = (ends_at - timedelta(microseconds=1)).astimezone(ZoneInfo(zone)).date()
    return [first + _A_DAY * step for step in range((last - first).days + 1)]
