"""`manage.py demo`: fill an empty database with the demo, and print how to sign in."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts.models import Account
from portal.demo import load_demo
from portal.edge_credential import ensure_edge_credential
from products.edge.management.commands.edge import FIRST_NAME, credential_file


class Command(BaseCommand):
    """Load the demo."""

    help = "Makes the demo's accounts, people, services and edge credential; never beside real ones."

    def handle(self, *args: Any, **options: Any) -> None:
        """Carry it out; refuse where the database has accounts."""
        if Account.objects.exists():
            raise CommandError(
                "The database has accounts; the demo is only for an empty one."
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
