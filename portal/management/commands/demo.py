"""`manage.py demo`: load the demo into an empty database, and print the passwords."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts.models import Account
from portal.demo import load_demo
from portal.management.commands.edge import FIRST_NAME, credential_file
from portal.prepare import ensure_edge_credential


class Command(BaseCommand):
    """Load the demo."""

    help = "Create the demo: accounts, users, services and an edge credential. Needs an empty database."

    def handle(self, *args: Any, **options: Any) -> None:
        """Load the demo; fail if the database has accounts."""
        if Account.objects.exists():
            raise CommandError(
                "The database already has accounts. The demo needs an empty database."
            )
        if settings.DOMAIN_VERIFICATION != "off":
            raise CommandError(
                "The demo's domain can't be verified. Load the demo with DOMAIN_VERIFICATION=off; "
                "it runs with any value."
            )
        now = timezone.now()
        people = load_demo(now)
        ensure_edge_credential(credential_file(FIRST_NAME), now=now)
        self.stdout.write("Sign in with one of these (also in demo.json):")
        for key, person in people.items():
            where = person.account.name if person.account else "the admin, /admin/"
            self.stdout.write(
                f"  {key:17} {person.login:22} {person.password}  {where}"
            )
