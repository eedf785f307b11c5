"""`manage.py edge_credential NAME`: create a credential for an edge."""

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from accounts.actor import Actor, Interface
from accounts.errors import RefusalError
from products.metering.commands import issue_credential, revoke_credential


class Command(BaseCommand):
    """Create or revoke the credential of an edge."""

    help = "Creates a credential for an edge in place of its old one and prints it on the last line."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the name of the edge, and whether to revoke only."""
        parser.add_argument("name", help="the edge's name, such as edge-1")
        parser.add_argument(
            "--revoke",
            action="store_true",
            help="revoke the credential and do not create another one",
        )

        parser.add_argument(
            "--days", type=int, default=365, help="how long it is valid (365)"
        )
        parser.add_argument(
            "--network",
            action="append",
            default=[],
            help="accept it only from this address or network; can be repeated",
        )
        parser.add_argument(
            "--overlap-minutes",
            type=int,
            default=0,
            help="accept the old one for so long, until the edge has the new one (0)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run as the system actor `edge-credential`."""
        actor = Actor.system("edge-credential", interface=Interface.COMMAND)
        name, now = options["name"], timezone.now()
        try:
            if options["revoke"]:
                revoke_credential(actor, name=name, now=now)
                self.stderr.write(f"Revoked the credential of {name}.")
                return
            issued = issue_credential(
                actor,
                name=name,
                now=now,
                lifetime=timedelta(days=options["days"]),
                networks=options["network"],
                overlap=timedelta(minutes=options["overlap_minutes"]),
            )
        except RefusalError as refused:
            raise CommandError(refused.message) from refused
        self.stderr.write(f"Credential of {name} (shown once):")
        self.stdout.write(issued.secret)
