"""The Django app of the catalogue."""

from django.apps import AppConfig

from accounts.triggers import register
from products.catalogue import triggers


class CatalogueConfig(AppConfig):
    """Products, plans and prices."""

    name = "products.catalogue"
    label = "catalogue"
    verbose_name = "Catalogue"

    def ready(self) -> None:
        """Name the tables whose rows are not changed."""
        register(triggers.PRICES, triggers.TIERS)
