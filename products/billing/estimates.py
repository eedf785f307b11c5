"""What a month would cost at a price of the catalogue."""

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from django.db.models import Sum

from accounts.models import Account
from products.billing.rating import Estimate, after_allowance, estimate, rate
from products.catalogue.models import PriceVersion
from products.catalogue.money import Money
from products.catalogue.prices import NewPrice
from products.catalogue.queries import tiered_price
from products.metering.models import UsagePeriod

# The largest numbers that can be asked for; no month has more seconds.
MAX_CONNECTIONS: Final = 10**12
MAX_SECONDS_EACH: Final = 31 * 24 * 3600
_MONTHS = 6


@dataclass(frozen=True, slots=True)
class TrafficEstimate:
    """What a month of the account's own traffic would cost, in words."""

    label: str
    minutes: int
    cost: str


def own_traffic(account: Account, price: PriceVersion) -> list[TrafficEstimate]:
    """Return what the account's own months would cost: low, typical and high.

    Of its last six months with minutes, these are the smallest, the middle and the largest.
    """
    months = (
        UsagePeriod.objects.filter(account_id=account.pk, minutes__gt=0)
        .order_by("-month")
        .values("month")
        .annotate(total=Sum("minutes"))
        .values_list("total", flat=True)[:_MONTHS]
    )
    found = sorted(months)
    if not found:
        return []
    chosen = {"Typical": found[len(found) // 2]}
    if len(found) > 1:
        chosen = {"Low": found[0], **chosen, "High": found[-1]}
    return [
        TrafficEstimate(label, minutes, cost_of(price, minutes))
        for label, minutes in chosen.items()
    ]


@dataclass(frozen=True, slots=True)
class MonthEstimate:
    """What a month costs with its fee, rounded, and its usage before it was rounded."""

    amount: Money
    exact_usage: Decimal

    @property
    def text(self) -> str:
        """Return the amount in words: also "less than 0.01 USD"."""
        return self.amount.in_words(self.exact_usage)


def cost_of(price: PriceVersion, minutes: int) -> str:
    """Return what the minutes of a month cost with the fee, in words, as an invoice rates them."""
    return month_cost(NewPrice.of(price), minutes).text


def month_cost(price: NewPrice, quantity: int) -> MonthEstimate:
    """Return what the minutes or bytes of a whole month cost with the fee, as an invoice rates them."""
    tiers = price.tiered
    included = price.included_units * tiers.unit_size
    rated = rate(tiers, after_allowance(quantity, included).billable)
    return MonthEstimate(rated.rounded(price.currency) + _fee(price), rated.exact)


def estimated(price: PriceVersion, *, connections: int, seconds_each: int) -> Estimate:
    """Return what a number of connections of equal length would cost in a month, with the fee."""
    found = estimate(
        connections,
        seconds_each,
        tiered_price(price),
        currency=price.currency,
        included=price.included_units * price.unit_size,
    )
    return replace(found, total=found.total + _fee(price))


def _fee(price: PriceVersion | NewPrice) -> Money:
    """Return the fee of a whole month, rounded as the line of an invoice."""
    whole = Money(price.fee_micros, price.currency)
    return Money.rounded(whole.amount, price.currency)
