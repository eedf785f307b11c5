"""Django's registration of the enablement flat."""

from django.apps import AppConfig


class EnablementConfig(AppConfig):
    """Joins a product to an account, or to a service."""

    name = "products.enablement"
    label = "enablement"
    verbose_name = "Enablement"
