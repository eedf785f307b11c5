"""Products on sale, and prices at an instant."""

from collections.abc import Collection
from datetime import datetime

from django.db.models import Q, QuerySet

from accounts.errors import NotFound
from products.catalogue.models import Plan, PriceVersion, Product
from products.catalogue.tiers import METERS, PriceTier, TieredPrice, UnitMode


def on_sale() -> "QuerySet[Product]":
    """Return the products that customers see, in the order of the catalogue."""
    return Product.objects.filter(state=Product.State.ACTIVE).order_by(
        "position", "name"
    )


def names_of(slugs: Collection[str]) -> dict[str, str]:
    """Return the names of products by slug, whatever their state."""
    return dict(Product.objects.filter(pk__in=slugs).values_list("pk", "name"))


def product(slug: str) -> Product:
    """Return a product that customers see. Raises NotFound."""
    found = on_sale().filter(pk=slug).first()
    if found is None:
        raise NotFound(f"There is no product {slug}.")
    return found


def direct_prices(
    when: datetime, *, account_id: str = "", slug: str = ""
) -> dict[str, PriceVersion]:
    """Return the direct price of each product at an instant, with plan and tiers, by slug.

    With `slug`, of that product alone. With `account_id`, the account's own plan counts before
    the plan of everyone. If a plan has prices for several meters, this is the first of METERS.
    Every page and command reads the same price here.
    """
    rows = PriceVersion.objects.filter(
        in_force(when),
        plan__kind=Plan.Kind.DIRECT,
        plan__retired_at=None,
    ).filter(Q(plan__account=None) | Q(plan__account_id=account_id))
    if slug:
        rows = rows.filter(plan__product_id=slug)
    rows = rows.select_related("plan").prefetch_related("tiers")
    return {row.plan.product_id: row for row in sorted(rows, key=_precedence)}


def next_direct_prices(when: datetime, *, account_id: str) -> dict[str, PriceVersion]:
    """Return the next direct price of each product after an instant, with plan and tiers, by slug.

    An account with a price of its own is not concerned by that of everyone.
    """
    rows = PriceVersion.objects.filter(
        plan__kind=Plan.Kind.DIRECT,
        plan__retired_at=None,
        withdrawn_at=None,
        effective_from__gt=when,
    ).filter(Q(plan__account=None) | Q(plan__account_id=account_id))
    rows = rows.select_related("plan").prefetch_related("tiers")
    prices = direct_prices(when, account_id=account_id)
    found: dict[str, PriceVersion] = {}
    for row in sorted(rows, key=lambda row: (row.effective_from, *_precedence(row))):
        price = prices.get(row.plan.product_id)
        if price is None or price.plan.account_id in {None, row.plan.account_id}:
            found.setdefault(row.plan.product_id, row)
    return found


def _precedence(price: PriceVersion) -> tuple[bool, int]:
    return price.plan.account_id is not None, -list(METERS).index(price.meter)


def direct_price(
    slug: str, when: datetime, *, account_id: str = ""
) -> PriceVersion | None:
    """Return what a product costs at an instant if bought directly; None if it has no price."""
    return direct_prices(when, account_id=account_id, slug=slug).get(slug)


def trial_plans(slug: str = "") -> dict[str, Plan]:
    """Return the plan of the trial of each product that has one, by slug; with `slug`, of it alone."""
    rows = Plan.objects.filter(kind=Plan.Kind.TRIAL, retired_at=None, account=None)
    if slug:
        rows = rows.filter(product_id=slug)
    return {row.product_id: row for row in rows.select_related("product")}


def prices_on(plan: Plan, when: datetime) -> list[PriceVersion]:
    """Return a plan's prices at an instant, one per meter, in the order of METERS."""
    rows = plan.prices.filter(in_force(when)).select_related("plan")
    rows = rows.prefetch_related("tiers")
    return sorted(rows, key=_precedence, reverse=True)


def prices_beside(price: PriceVersion | None, when: datetime) -> list[PriceVersion]:
    """Return a price with those of its plan on other meters; none without a price."""
    if price is None:
        return []
    others = [row for row in prices_on(price.plan, when) if row.meter != price.meter]
    return sorted([price, *others], key=_precedence, reverse=True)


def prices_between(
    plans: Collection[str], starts_at: datetime, ends_at: datetime
) -> list[PriceVersion]:
    """Return the price versions of plans in force at any time of a period, in order, with tiers."""
    rows = PriceVersion.objects.filter(
        Q(effective_to=None) | Q(effective_to__gt=starts_at),
        plan_id__in=plans,
        effective_from__lt=ends_at,
        withdrawn_at=None,
    )
    rows = rows.select_related("plan").prefetch_related("tiers")
    return list(rows.order_by("effective_from", "plan_id", "meter"))


def tiered_price(version: PriceVersion) -> TieredPrice:
    """Return the tiers of a price version, as rating and pages use them."""
    blocks = version.unit_mode == PriceVersion.UnitMode.BLOCK
    mode: UnitMode = "block" if blocks else "fraction"
    return TieredPrice(
        tiers=tuple(
            PriceTier(tier.up_to, tier.unit_price_nanos) for tier in version.tiers.all()
        ),
        unit_size=version.unit_size,
        unit_mode=mode,
    )


def in_force(when: datetime) -> Q:
    """Return the condition of a price version that is in force at an instant."""
    return Q(withdrawn_at=None, effective_from__lte=when) & (
        Q(effective_to=None) | Q(effective_to__gt=when)
    )
