"""`manage.py createaccount NAME EMAIL`: create an account with its first superuser."""

import getpass
import secrets
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from accounts.actor import Actor, Interface
from accounts.commands.accounts import create_account
from accounts.commands.users import user_with_email
from accounts.errors import RefusalError


class Command(BaseCommand):
    """Create an account; asks for a new superuser's password, or generates it and prints it once."""

    help = (
        "Create the account NAME with EMAIL as its first superuser. An existing user gets an "
        "invitation. A new user's password is asked for, or generated if left empty."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the account's name, the superuser's email address and optionally their name."""
        parser.add_argument("name", metavar="NAME")
        parser.add_argument("email", metavar="EMAIL")
        parser.add_argument("--name", dest="person", default="", metavar="PERSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Create the account and print the result; exit with 1 and the reason if it is refused."""
        email: str = options["email"]
        exists = user_with_email(email.strip().lower()) is not None
        chosen = "" if exists else self.asked_password()
        password = chosen or secrets.token_urlsafe(12)
        try:
            account = create_account(
                Actor.system("create-account", interface=Interface.COMMAND),
                name=options["name"],
                superuser_email=email,
                superuser_name=options["person"] or email.partition("@")[0],
                password=password,
                now=timezone.now(),
            )
        except RefusalError as error:
            raise CommandError(error.message) from error
        self.stdout.write(f"Created account {account.name} ({account.pk}).")
        if exists:
            self.stdout.write(
                f"{email} has a login and was invited to be its superuser (valid for seven days)."
            )
        elif not chosen:
            self.stdout.write(f"Superuser: {email}, password (shown once): {password}")

    def asked_password(self) -> str:
        """Ask for a password if a terminal is attached; "" if there is none."""
        if not sys.stdin.isatty():
            return ""
        return getpass.getpass("Password (leave empty to generate one): ")
