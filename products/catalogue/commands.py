"""Changes to the catalogue by staff and the loader, noted in the platform's audit trail."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from accounts.actor import Actor
from accounts.audit.vocabulary import Event
from accounts.change import Trail, Unchanged, recorded_change
from accounts.errors import Conflict, Invalid
from accounts.policy import PLATFORM
from accounts.roles import Permission
from products.catalogue.models import Plan, PriceVersion, Product, Tier
from products.catalogue.tiers import METERS, PriceTier, tiers_problem

PRODUCT_FIELDS = (
    "name",
    "purpose",
    "limitations",
    "documentation_url",
    "purchase_mode",
    "per_service",
    "state",
    "position",
)


@dataclass(frozen=True, slots=True)
class NewPrice:
    """A price to be published; its meter, one of METERS, decides the unit."""

    currency: str
    meter: str
    tiers: tuple[PriceTier, ...]
    fee_micros: int = 0
    included_units: int = 0
    unit_mode: str = PriceVersion.UnitMode.FRACTION
    is_example: bool = False


def add_product(
    actor: Actor, *, slug: str, fields: Mapping[str, object], now: datetime
) -> Product:
    """Add a product. Raises Conflict for a slug in use; notes product.added."""
    with recorded_change(
        actor, Permission.CATALOGUE_MANAGE, on=PLATFORM, now=now
    ) as trail:
        if Product.objects.filter(pk=slug).exists():
            raise Conflict(f"A product {slug} already exists.")
        product = Product.objects.create(slug=slug, **_known(fields))
        trail.note(
            Event.CATALOGUE_PRODUCT_ADDED,
            target=("product", slug, product.name),
            product=slug,
            after=_values(product),
        )
    return product


def update_product(
    actor: Actor, *, slug: str, fields: Mapping[str, object], now: datetime
) -> None:
    """Change a product. Raises Invalid for an unknown product or field; notes product.updated."""
    with recorded_change(
        actor, Permission.CATALOGUE_MANAGE, on=PLATFORM, now=now
    ) as trail:
        product = Product.objects.select_for_update().filter(pk=slug).first()
        if product is None:
            raise Invalid(f"There is no product {slug}.")
        before = _values(product)
        for name, value in _known(fields).items():
            setattr(product, name, value)
        after = _values(product)
        changed = [name for name in PRODUCT_FIELDS if before[name] != after[name]]
        if not changed:
            raise Unchanged
        product.save(update_fields=changed)
        trail.note(
            Event.CATALOGUE_PRODUCT_UPDATED,
            target=("product", slug, product.name),
            product=slug,
            before={name: before[name] for name in changed},
            after={name: after[name] for name in changed},
        )


def add_plan(
    actor: Actor, *, product: Product, kind: str, name: str, now: datetime
) -> Plan:
    """Add a plan to a product.

    Raises Conflict for a name in use and for a second direct plan. Notes plan.added.
    """
    with recorded_change(
        actor, Permission.CATALOGUE_MANAGE, on=PLATFORM, now=now
    ) as trail:
        if product.plans.filter(kind=kind, name=name).exists():
            raise Conflict(f"{product.name} already has a plan {name}.")
        direct = product.plans.filter(kind=Plan.Kind.DIRECT, retired_at=None)
        if kind == Plan.Kind.DIRECT and direct.exists():
            raise Conflict(f"{product.name} already has a direct plan.")
        plan = Plan.objects.create(product=product, kind=kind, name=name)
        trail.note(
            Event.PLAN_ADDED,
            target=("plan", plan.pk, name),
            product=product.pk,
            after={"kind": kind, "name": name},
        )
    return plan


def write_price(
    trail: Trail,
    *,
    plan: Plan,
    price: NewPrice,
    effective_from: datetime,
) -> PriceVersion:
    """Close a plan's open price at an instant and open the next, below a `recorded_change`.

    Notes price.published in every chain that the change was opened with. Raises Invalid for
    impossible tiers, and for an instant before the open price began.
    """
    meter = METERS.get(price.meter)
    if meter is None:
        raise Invalid(f"Choose one of {', '.join(METERS)}.", field="meter")
    if problem := tiers_problem(price.tiers):
        raise Invalid(problem, field="tiers")
    last = plan.prices.select_for_update().order_by("number").last()
    if last is not None and last.effective_to is None:
        if effective_from <= last.effective_from:
            raise Invalid(
                "The new price must start after the current one.",
                field="effective_from",
            )
        last.effective_to = effective_from
        last.save(update_fields=["effective_to"])
    version = PriceVersion.objects.create(
        plan=plan,
        number=(last.number if last else 0) + 1,
        currency=price.currency,
        meter=price.meter,
        unit_size=meter.unit_size,
        unit_name=meter.unit_name,
        unit_mode=price.unit_mode,
        fee_micros=price.fee_micros,
        included_units=price.included_units,
        effective_from=effective_from,
        is_example=price.is_example,
    )
    Tier.objects.bulk_create(
        Tier(
            price_version=version,
            position=position,
            up_to=tier.up_to,
            unit_price_nanos=tier.unit_price_nanos,
        )
        for position, tier in enumerate(price.tiers)
    )
    for account_id in trail.entries:
        trail.note(
            Event.PRICE_PUBLISHED,
            target=("price_version", version.pk, str(version)),
            product=plan.product_id,
            before=describe_price(last) if last else None,
            after=describe_price(version),
            account_id=account_id,
        )
    return version


def describe_price(version: PriceVersion) -> dict[str, object]:
    """Return a price as the audit trail keeps it: plain values, prices in nano-units."""
    return {
        "number": version.number,
        "currency": version.currency,
        "unit": version.unit_name,
        "effective_from": version.effective_from.isoformat(),
        "fee_micros": version.fee_micros,
        "tiers": [
            {"up_to": tier.up_to, "unit_price_nanos": tier.unit_price_nanos}
            for tier in version.tiers.all()
        ],
    }


def _known(fields: Mapping[str, object]) -> dict[str, object]:
    unknown = sorted(set(fields) - set(PRODUCT_FIELDS))
    if unknown:
        raise Invalid(
            f"A product does not have the field {', '.join(unknown)}.", field=unknown[0]
        )
    return dict(fields)


def _values(product: Product) -> dict[str, object]:
    return {name: getattr(product, name) for name in PRODUCT_FIELDS}
