"""`manage.py createstaff EMAIL`: appoint a member of staff, recorded in the platform's trail."""

import secrets
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from accounts.actor import Actor, Interface
from accounts.commands.offboarding import appoint_staff
from accounts.commands.users import user_with_email
from accounts.errors import RefusalError


class Command(BaseCommand):
    """Appoint a member of staff; generates a new user's password and prints it once."""

    help = (
        "Make the user with EMAIL a member of staff. A user who does not exist is created, with a "
        "generated password that is printed once."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the email address and optionally the name."""
        parser.add_argument("email", metavar="EMAIL")
        parser.add_argument("--name", dest="person", default="", metavar="PERSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Appoint and print the result; exit with 1 and the reason if it is refused."""
        email: str = options["email"]
        exists = user_with_email(email.strip().lower()) is not None
        password = secrets.token_urlsafe(12)
        try:
            user = appoint_staff(
                Actor.system("create-staff", interface=Interface.COMMAND),
                email=email,
                name=options["person"] or email.partition("@")[0],
                password=password,
                now=timezone.now(),
            )
        except RefusalError as error:
            raise CommandError(error.message) from error
        self.stdout.write(f"{user.email} is a member of staff.")
        if not exists:
            self.stdout.write(f"Password (shown once): {password}")
