"""`manage.py guard_audit`: install the triggers that keep the audit trail append-only."""

from django.core.management.base import BaseCommand
from django.db import connection

from accounts.audit import triggers


class Command(BaseCommand):
    """Install missing triggers, and name them; changes no entry."""

    help = "Install the triggers that keep the audit trail append-only."

    def handle(self, **_: object) -> None:
        """Install what is missing."""
        missing = triggers.missing(connection)
        if not missing:
            self.stdout.write("All triggers are installed.")
            return
        triggers.install(connection)
        self.stdout.write(
            f"Installed: {', '.join(missing)}. Run `manage.py verify_audit` next."
        )
