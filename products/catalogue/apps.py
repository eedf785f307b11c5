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
        """Name the tables whose rows are not changed, and where the trail finds products' names."""
        # Models can be imported only when all apps are loaded.
        from accounts.audit import names  # noqa: PLC0415
        from products.catalogue.queries import names_of  # noqa: PLC0415

        register(triggers.PRICES, triggers.TIERS)
        names.register(names.Named.PRODUCT, names_of)
