"""`manage.py status`: whether the portal works, and what to do if it does not."""

import sys
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from portal.health import all_checks


class Command(BaseCommand):
    """Print the checks of `/readyz`; exit with 1 if one failed."""

    help = "Check database, broker, migrations, triggers, overdue work and edges."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        """Print one line per check."""
        results = all_checks(timezone.now())
        for each in results:
            remedy = f"  {each.remedy}" if each.remedy else ""
            self.stdout.write(f"{each.name:11} {each.found}{remedy}")
        if not all(each.is_ok for each in results):
            sys.exit(1)
