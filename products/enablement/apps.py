"""The Django app of enablements."""

from django.apps import AppConfig

from accounts.triggers import register
from products.enablement import triggers


class EnablementConfig(AppConfig):
    """Products enabled for accounts and switched on for services."""

    name = "products.enablement"
    label = "enablement"
    verbose_name = "Enablement"

    def ready(self) -> None:
        """Name the table whose agreements are not changed, their check, and what proposals do."""
        # Models can be imported only when all apps are loaded.
        from accounts.audit import row_checks  # noqa: PLC0415
        from products.enablement.commands.proposals import connect  # noqa: PLC0415
        from products.enablement.verification import verify_agreements  # noqa: PLC0415

        register(triggers.ENABLEMENTS)
        row_checks.register(verify_agreements)
        connect()
