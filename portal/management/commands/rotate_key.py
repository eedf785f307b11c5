"""`manage.py rotate_key NAME`: replace a secret in DATA_DIR/secrets, and honour the earlier one."""

from argparse import ArgumentParser
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts.audit.vocabulary import Event
from accounts.commands.operations import OPERATOR, note_operation
from portal import env, secret_ids
from portal.backup import KEYS

DEFAULT_DAYS = 30  # longer than any session, invitation or reset link lasts
NEXT = {
    "SECRET_KEY": "Sessions and links that were made before stay valid until then.",
    "TOKEN_PEPPER": (
        "A token that is used before then is stored with the new pepper. Give each edge a new "
        "credential before then: manage.py edge_credential NAME --overlap-minutes 60"
    ),
    "ENCRYPTION_KEY": "After the restart run: manage.py rotate_encryption",
}


class Command(BaseCommand):
    """Rotate SECRET_KEY, TOKEN_PEPPER or ENCRYPTION_KEY."""

    help = "Replace a secret that is in DATA_DIR/secrets; the earlier one is honoured for a while."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the options."""
        parser.add_argument("name", choices=KEYS)
        parser.add_argument(
            "--days",
            type=int,
            default=DEFAULT_DAYS,
            help="for how long the earlier value counts (default: 30); 0 if it has leaked",
        )
        parser.add_argument(
            "--accept",
            action="store_true",
            help="replace nothing: use the database with the present value, if the earlier one is lost",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Write the new secret, and say what to do next."""
        name: str = options["name"]
        now = timezone.now()
        if options["accept"]:
            self._accept(name, now)
            return
        until = now + timedelta(days=options["days"])
        try:
            env.rotate_secret(name, settings.DATA_DIR / "secrets", until=until)
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from error
        self._note(name, {"counts_until": until.isoformat()}, now)
        secret_ids.keep_id(name, env.secret(name, settings.DATA_DIR / "secrets"))
        self.stdout.write(
            f"{name} is new. The earlier value counts until {until:%Y-%m-%d %H:%M} UTC, and is "
            "read when a program starts: restart all programs now and after that."
        )
        self.stdout.write(NEXT[name])

    def _accept(self, name: str, now: datetime) -> None:
        self._note(name, {"counts_until": now.isoformat()}, now)
        secret_ids.keep_id(name, getattr(settings, name))
        self.stdout.write(f"The database is now used with the present {name}.")

    def _note(self, name: str, after: dict[str, str], now: datetime) -> None:
        note_operation(
            OPERATOR,
            event=Event.KEY_ROTATED,
            target=("key", name, name),
            after=after,
            now=now,
        )
