"""Django app configuration."""

from django.apps import AppConfig


class MeteringConfig(AppConfig):
    """Usage of services and the edges that report it."""

    name = "products.metering"
    label = "metering"
    verbose_name = "Metering"
