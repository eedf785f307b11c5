"""`manage.py edge_credential NAME`: make a credential for an edge, printed once."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from accounts.actor import Actor, Interface
from accounts.errors import RefusalError
from products.metering.commands import issue_credential, revoke_credential


class Command(BaseCommand):
    """Make or revoke the credential with which an edge speaks to the portal."""

    help = "Makes a credential for an edge and prints it alone on the last line; an older one is revoked."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the edge's name, and whether to revoke only."""
        parser.add_argument("name", help="the edge's name, such as edge-1")
        parser.add_argument(
            "--revoke", action="store_true", help="revoke, and make no new one"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Carry it out as the platform's named job."""
        actor = Actor.system("edge-credential", interface=Interface.COMMAND)
        name, now = options["name"], timezone.now()
        try:
            if options["revoke"]:
                revoke_credential(actor, name=name, now=now)
                self.stderr.write(f"The credential of {name} is revoked.")
                return
            issued = issue_credential(actor, name=name, now=now)
        except RefusalError as refused:
            raise CommandError(refused.message) from refused
        self.stderr.write(f"The credential of {name}; it is shown only now:")
        self.stdout.write(issued.secret)
