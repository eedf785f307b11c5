"""Replaces Django's `createsuperuser`, which would create staff without an entry in the trail."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError


class Command(BaseCommand):
    """Refuses, and names the command to use."""

    help = "Not available: use `createstaff`, which is recorded."

    def handle(self, *args: Any, **options: Any) -> None:
        """Raise CommandError."""
        raise CommandError("Use `manage.py createstaff EMAIL`: it is recorded.")
