"""The Django app of enablements."""

from django.apps import AppConfig


class EnablementConfig(AppConfig):
    """Products enabled for accounts and switched on for services."""

    name = "products.enablement"
    label = "enablement"
    verbose_name = "Enablement"
