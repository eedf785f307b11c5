"""The system check that the audit trail has its triggers."""

from collections.abc import Sequence

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error
from django.db import connections

from accounts.audit import triggers


def trail_is_append_only(
    app_configs: Sequence[AppConfig] | None,  # noqa: ARG001 - Django's signature
    databases: Sequence[str] | None = None,
    **_: object,
) -> list[CheckMessage]:
    """Report databases whose trail lacks triggers; a database not yet migrated is skipped."""
    return [message for alias in databases or () for message in _findings(alias)]


def _findings(alias: str) -> list[CheckMessage]:
    connection = connections[alias]
    if not triggers.is_guarded_table_present(connection):
        return []
    missing = triggers.missing(connection)
    if not missing:
        return []
    return [
        Error(
            f"The audit trail is not protected. Missing triggers on {triggers.TABLE}: "
            f"{', '.join(missing)}.",
            hint="Find out who removed them, run `manage.py verify_audit`, "
            "then install them with `manage.py guard_audit`.",
            obj=alias,
            id="audit.E001",
        )
    ]
