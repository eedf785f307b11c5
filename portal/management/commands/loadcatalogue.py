"""`manage.py loadcatalogue`: add what the catalogue lacks; what staff have changed stays."""

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from accounts.actor import Actor
from portal.starter_catalogue import PLANS, PRODUCTS, product_fields
from products.catalogue.commands import add_plan, add_product
from products.catalogue.models import Plan, Product
from products.enablement.commands import change_price


class Command(BaseCommand):
    """Load the starter catalogue through the commands, so that it has a trail."""

    help = "Adds the products, plans and example prices that the catalogue lacks."

    def handle(self, *args: Any, **options: Any) -> None:
        """Carry it out; running it twice adds nothing."""
        actor = Actor.system("load-catalogue", interface="command")
        now = timezone.now()
        have = set(Product.objects.values_list("pk", flat=True))
        for position, slug in enumerate(PRODUCTS, start=3):
            if slug not in have:
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
