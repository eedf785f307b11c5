"""Replaces Django's `changepassword`, which would change a password without an entry in the trail."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError


class Command(BaseCommand):
    """Refuses, and says what to do instead."""

    help = "Not available: users reset their password by email, which is recorded."

    def handle(self, *args: Any, **options: Any) -> None:
        """Raise CommandError."""
        raise CommandError(
            "Reset the password by email on the sign-in page: it is recorded."
        )
