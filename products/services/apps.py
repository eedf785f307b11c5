"""Django's registration of the services flat."""

from django.apps import AppConfig


class ServicesConfig(AppConfig):
    """What customers run, and how it is configured."""

    name = "products.services"
    label = "services"
    verbose_name = "Services"
