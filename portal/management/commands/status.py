"""`manage.py status`: whether the portal works, what to do if it does not, and its figures."""

import sys
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from portal.figures import system_status


class Command(BaseCommand):
    """Print the checks of `/readyz` and the figures of `/metrics`; exit with 1 if a check failed."""

    help = "Check database, broker, migrations, triggers, due work and edges; print figures."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        """Print one line per check, then one per figure."""
        status = system_status(timezone.now())
        for check in status.checks:
            remedy = f"  {check.remedy}" if check.remedy else ""
            self.stdout.write(f"{check.name:11} {check.found}{remedy}")
        for name, value in status.rows:
            self.stdout.write(f"{name}: {value}")
        if not status.is_ok:
            sys.exit(1)
