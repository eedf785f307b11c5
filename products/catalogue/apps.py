"""The Django app of the catalogue."""

from django.apps import AppConfig


class CatalogueConfig(AppConfig):
    """Products, plans and prices."""

    name = "products.catalogue"
    label = "catalogue"
    verbose_name = "Catalogue"
