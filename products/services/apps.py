"""Django's registration of the services flat."""

from django.apps import AppConfig


class ServicesConfig(AppConfig):
    """What customers run, and how it is configured."""

    name = "products.services"
    label = "services"
    verbose_name = "Services"

    def ready(self) -> None:
        """Tell accounts which model the services are, and its permissions for access levels."""
        # Models can be imported only when all apps are loaded.
        from accounts.service_access import register  # noqa: PLC0415
        from products.services.models import Service  # noqa: PLC0415
        from products.services.models.service import ACCESS_CODENAMES  # noqa: PLC0415

        register(Service, ACCESS_CODENAMES)
