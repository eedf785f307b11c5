"""Prices as pages show them: the price line of a product, the price table, the estimate."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from accounts.models import Account
from products.catalogue.models import Plan, PriceVersion, Product
from products.catalogue.money import amount_in_words, unit_price
from products.catalogue.prices import fee_sentences
from products.catalogue.queries import direct_prices_from, on_sale, tiered_price
from products.catalogue.tiers import METERS, tier_ranges
from products.enablement.models import Enablement
from products.enablement.queries import ProductState


def tier_rows(price: PriceVersion) -> list[tuple[str, Decimal]]:
    """Return a label such as `First 10 million connection minutes` and the unit price of each tier."""
    tiers = tiered_price(price).tiers
    ranges = tier_ranges(tiers, METERS[price.meter].unit_name)
    return [
        (_capitalized(reach) or "All", unit_price(tier.unit_price_nanos))
        for reach, tier in zip(ranges, tiers, strict=True)
    ]


def is_public(price: PriceVersion) -> bool:
    """Tell whether a price is that of everyone: others are for those who see costs (R20)."""
    return price.plan.kind == Plan.Kind.DIRECT and price.plan.account_id is None


def product_price_line(state: ProductState) -> str:
    """Return what a product costs, in one line; "" if nothing is to be said about it."""
    if state.price is not None:
        bandwidth = " Bandwidth counts as delivery traffic."
        is_time = state.price.meter == "connection_time"
        line = f"{_price_line(state.price)} {fee_line(state.price)}".strip()
        return line + (bandwidth if is_time else "")
    by_sales = state.product.purchase_mode == Product.PurchaseMode.SALES
    return "Included in your package." if by_sales and state.is_on else ""


@dataclass(frozen=True, slots=True)
class PriceChange:
    """A price that was announced for a product: from when on it counts, and the price in one line."""

    product: Product
    effective_from: datetime
    price_line: str
    is_public: bool


def price_change(state: ProductState) -> PriceChange | None:
    """Return the next price of a product; None if none was announced, or if it is from a package."""
    enablement = state.enablement
    is_package = enablement and enablement.source == Enablement.Source.PACKAGE
    if state.next_price is None or is_package:
        return None
    return _change(state.product, state.next_price)


def price_changes(account: Account, now: datetime) -> dict[str, PriceChange]:
    """Return the next price of each product that the account buys or could buy, by slug.

    None of a product from a package, which has a price of its own.
    """
    prices = direct_prices_from(now, account=account).next
    products = {each.pk: each for each in on_sale().filter(pk__in=prices)}
    held = Enablement.objects.filter(
        account=account,
        ends_at=None,
        source=Enablement.Source.PACKAGE,
        product__in=products,
    )
    packages = set(held.values_list("product_id", flat=True))
    return {
        slug: _change(products[slug], price)
        for slug, price in prices.items()
        if slug in products and slug not in packages
    }


def _change(product: Product, price: PriceVersion) -> PriceChange:
    return PriceChange(
        product,
        price.effective_from,
        f"{_price_line(price)} {fee_line(price)}".strip(),
        is_public(price),
    )


def fee_line(price: PriceVersion) -> str:
    """Return the monthly fee of a price and what it includes, in sentences; "" if there is neither."""
    return " ".join(fee_sentences(price))


def _price_line(price: PriceVersion) -> str:
    meter = METERS[price.meter]
    tiers = tiered_price(price).tiers
    first = tier_ranges(tiers, meter.short_unit)[0]
    prices = [unit_price(tier.unit_price_nanos) for tier in tiers]
    amounts = [amount_in_words(each) for each in prices]
    unit = f"{price.currency} per {meter.unit_name}"
    if len(amounts) == 1:
        return f"{amounts[0]} {unit}."
    if not prices[0]:
        return f"{_capitalized(first)} a month free, then from {amounts[1]} {unit}."
    return f"From {amount_in_words(min(prices))} {unit} ({amounts[0]} for the {first})."


def _capitalized(words: str) -> str:
    return words[:1].upper() + words[1:]
