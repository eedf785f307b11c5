"""The Django app of services."""

from django.apps import AppConfig


class ServicesConfig(AppConfig):
    """Services, their versions and parts."""

    name = "products.services"
    label = "services"
    verbose_name = "Services"

    def ready(self) -> None:
        """Register the model of services and its permissions per access level with accounts."""
        # Models can be imported only when all apps are loaded.
        from accounts.service_access import register  # noqa: PLC0415
        from products.services.models import Service  # noqa: PLC0415
        from products.services.models.service import ACCESS_CODENAMES  # noqa: PLC0415

        register(Service, ACCESS_CODENAMES)
