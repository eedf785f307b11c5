"""Django's configuration of the app `accounts.audit`."""

from django.apps import AppConfig
from django.core.checks import Tags, register

from accounts.audit.checks import trail_is_append_only
from accounts.triggers import rows_are_guarded


class AuditConfig(AppConfig):
    """The audit trail and its system check."""

    name = "accounts.audit"
    label = "audit"
    verbose_name = "Audit"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the checks that the trail and other guarded tables have their triggers."""
        register(trail_is_append_only, Tags.database)
        register(rows_are_guarded, Tags.database)
