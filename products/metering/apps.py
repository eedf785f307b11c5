"""Django's registration of the metering flat."""

from django.apps import AppConfig


class MeteringConfig(AppConfig):
    """What services used: connections, minutes, bytes; and the edges that report it."""

    name = "products.metering"
    label = "metering"
    verbose_name = "Metering"
