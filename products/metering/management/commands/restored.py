"""`manage.py restored`: declare that the database was restored from a backup."""

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from accounts.actor import Actor, Interface
from products.metering.commands import declare_restored


class Command(BaseCommand):
    """Start a new ingest epoch, so that edges resend what the backup lacks."""

    help = "Run this after a restore from a backup: every edge resends all usage it still has."

    def handle(self, *args: Any, **options: Any) -> None:
        """Start and print the epoch."""
        actor = Actor.system("restored", interface=Interface.COMMAND)
        epoch = declare_restored(actor, now=timezone.now())
        self.stdout.write(
            f"New ingest epoch {epoch}. Edges resend all usage they still have (24 hours)."
        )
