"""Django's registration of the catalogue flat."""

from django.apps import AppConfig


class CatalogueConfig(AppConfig):
    """What can be bought, and at what price."""

    name = "products.catalogue"
    label = "catalogue"
    verbose_name = "Catalogue"
