"""What is on sale, at what price, at an instant."""

from datetime import datetime

from django.db.models import Q, QuerySet

from accounts.errors import NotFound
from products.catalogue.models import Plan, PriceVersion, Product


def on_sale() -> "QuerySet[Product]":
    """Return the products that customers see, in the catalogue's order."""
    return Product.objects.filter(state=Product.State.ACTIVE).order_by(
        "position", "name"
    )


def product(slug: str) -> Product:
    """Return a product that customers may see; raise NotFound for any other."""
    found = on_sale().filter(pk=slug).first()
    if found is None:
        raise NotFound(f"There is no product '{slug}'.")
    return found


def direct_plan(slug: str) -> Plan | None:
    """Return the plan under which a product is bought directly; None where it is not sold so."""
    return (
        Plan.objects.filter(product_id=slug, kind=Plan.Kind.DIRECT, retired_at=None)
        .order_by("name")
        .first()
    )


def prices_on(when: datetime) -> "QuerySet[PriceVersion]":
    """Return the price versions in force at an instant, with plan and tiers."""
    return (
        PriceVersion.objects.filter(Q(effective_to=None) | Q(effective_to__gt=when))
        .filter(effective_from__lte=when)
        .select_related("plan")
        .prefetch_related("tiers")
    )


def direct_price(slug: str, when: datetime) -> PriceVersion | None:
    """Return what a product costs when bought directly at an instant; None for no price."""
    return (
        prices_on(when)
        .filter(
            plan__product_id=slug, plan__kind=Plan.Kind.DIRECT, plan__retired_at=None
        )
        .order_by("plan__name")
        .first()
    )
