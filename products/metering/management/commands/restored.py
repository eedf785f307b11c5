"""`manage.py restored`: say that the database came back from a backup."""

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from accounts.actor import Actor, Interface
from products.metering.commands import declare_restored


class Command(BaseCommand):
    """Begin a new ingest epoch, so that edges send again what the backup does not know."""

    help = "After a restore from a backup: lets every edge send again all that it still keeps."

    def handle(self, *args: Any, **options: Any) -> None:
        """Begin it, and print it."""
        actor = Actor.system("restored", interface=Interface.COMMAND)
        epoch = declare_restored(actor, now=timezone.now())
        self.stdout.write(
            f"The ingest epoch is {epoch} now; edges send again all they keep (24 hours)."
        )
