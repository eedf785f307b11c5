"""`manage.py loadcatalogue`: add missing products and plans; existing ones are not changed."""

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from accounts.actor import Actor, Interface
from portal.starter_catalogue import PLANS, PRODUCTS, TRIALS, product_fields
from products.catalogue.commands import add_plan, add_product
from products.catalogue.models import Plan, Product
from products.enablement.commands import change_price


class Command(BaseCommand):
    """Load the starter catalogue by commands, so that the audit trail has it."""

    help = (
        "Add missing products, plans and example prices. Existing ones are not changed."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Add what is missing; running it again adds nothing."""
        actor = Actor.system("load-catalogue", interface=Interface.COMMAND)
        now = timezone.now()
        existing = set(Product.objects.values_list("pk", flat=True))
        for position, slug in enumerate(PRODUCTS, start=3):
            if slug not in existing:
                fields = product_fields(slug, position * 10)
                add_product(actor, slug=slug, fields=fields, now=now)
        plans = set(Plan.objects.values_list("product_id", "kind", "name"))
        for slug, kind, name, price in PLANS:
            if (slug, kind, name) in plans:
                continue
            product = Product.objects.get(pk=slug)
            plan = add_plan(actor, product=product, kind=kind, name=name, now=now)
            if price is not None:
                change_price(actor, plan=plan, price=price, effective_from=now, now=now)
        for slug, name, days, minutes in TRIALS:
            if not any((slug, "trial") == (each, kind) for each, kind, _ in plans):
                add_plan(
                    actor,
                    product=Product.objects.get(pk=slug),
                    kind="trial",
                    name=name,
                    trial_days=days,
                    trial_minutes=minutes,
                    now=now,
                )
