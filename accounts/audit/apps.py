"""Django's configuration of the app `accounts.audit`."""

from django.apps import AppConfig
from django.core.checks import Tags, register

from accounts.audit.checks import trail_is_append_only


class AuditConfig(AppConfig):
    """The audit trail and its system check."""

    name = "accounts.audit"
    label = "audit"
    verbose_name = "Audit"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the check that the trail is append-only."""
        register(trail_is_append_only, Tags.database)
