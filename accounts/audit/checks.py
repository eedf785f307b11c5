"""The start-up check: the trail's table carries its triggers."""

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
    """Report a database in which the trail can be altered; one not yet migrated is passed over."""
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
            f"The audit trail can be altered: triggers missing on {triggers.TABLE}: "
            f"{', '.join(missing)}.",
            hint="Find out who removed them, run `manage.py verify_audit`, "
            "then put them back with `manage.py guard_audit`.",
            obj=alias,
            id="audit.E001",
        )
    ]
