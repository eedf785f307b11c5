"""`manage.py guard_audit`: install the triggers of the audit trail and of other guarded tables."""

from django.core.management.base import BaseCommand
from django.db import connection

from accounts.audit import triggers
from accounts.triggers import registered


class Command(BaseCommand):
    """Install missing triggers, and name them; changes no row."""

    help = (
        "Install the triggers that keep the audit trail append-only, and those of other "
        "tables whose rows must not change, such as final invoices."
    )

    def handle(self, **_: object) -> None:
        """Install what is missing."""
        missing = triggers.missing(connection)
        if missing:
            triggers.install(connection)
        for each in registered(connection):
            if lost := each.missing(connection):
                each.install(connection)
                missing += lost
        if not missing:
            self.stdout.write("All triggers are installed.")
            return
        self.stdout.write(
            f"Installed: {', '.join(missing)}. Run `manage.py verify_audit` next."
        )
