"""The Django app of services."""

from django.apps import AppConfig


class ServicesConfig(AppConfig):
    """Services, their versions and parts."""

    name = "products.services"
    label = "services"
    verbose_name = "Services"

    def ready(self) -> None:
        """Register with accounts: services, their permissions per access level, names and labels."""
        # Models can be imported only when all apps are loaded.
        from accounts.audit import names  # noqa: PLC0415
        from accounts.service_access import register  # noqa: PLC0415
        from products.services.models import Service  # noqa: PLC0415
        from products.services.models.service import ACCESS_CODENAMES  # noqa: PLC0415
        from products.services.queries import names_of  # noqa: PLC0415
        from products.services.summary import field_label  # noqa: PLC0415

        register(Service, ACCESS_CODENAMES)
        names.register(names.Named.SERVICE, names_of)
        names.register_field_labels(field_label)
