"""`manage.py guard_audit`: put back the triggers that keep the trail append-only."""

from django.core.management.base import BaseCommand
from django.db import connection

from accounts.audit import triggers


class Command(BaseCommand):
    """Install the triggers where one is missing, and say which; changes no event."""

    help = "Put back the triggers that keep the audit trail append-only."

    def handle(self, **_: object) -> None:
        """Install what is missing."""
        missing = triggers.missing(connection)
        if not missing:
            self.stdout.write("The trail is guarded; nothing to do.")
            return
        triggers.install(connection)
        self.stdout.write(
            f"Put back: {', '.join(missing)}. Run `manage.py verify_audit` next."
        )
