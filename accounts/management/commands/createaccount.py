"""`manage.py createaccount NAME EMAIL`: open an account with its first superuser."""

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
    """Open an account; a new superuser's password is asked for, or made and printed once."""

    help = (
        "Open the account NAME with EMAIL as its first superuser. Somebody known keeps their "
        "password; for somebody new it is asked for, or, left empty, made and printed once."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the account's name, the superuser's address and, where it differs, their name."""
        parser.add_argument("name", metavar="NAME")
        parser.add_argument("email", metavar="EMAIL")
        parser.add_argument("--name", dest="person", default="", metavar="PERSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Open the account and say what came of it; exit 1 with the reason where it was refused."""
        email: str = options["email"]
        known = user_with_email(email.strip().lower()) is not None
        chosen = "" if known else self.asked_password()
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
        self.stdout.write(f"Account {account.name} ({account.pk}) is open.")
        if known:
            self.stdout.write(f"{email} is its superuser, with the password they have.")
        elif not chosen:
            self.stdout.write(
                f"{email} signs in with this password, shown once: {password}"
            )

    def asked_password(self) -> str:
        """Ask for a password where somebody sits at a terminal; "" for none."""
        if not sys.stdin.isatty():
            return ""
        return getpass.getpass("Password (leave empty to have one made): ")
