"""`manage.py rotate_encryption`: encrypt all stored secrets with the current `ENCRYPTION_KEY`."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.commands.encryption import encrypt_again
from accounts.encryption import UnreadableSecret
from products.services.commands.encryption import encrypt_parts_again
from products.webhooks.commands import encrypt_secrets_again


class Command(BaseCommand):
    """Encrypts again; afterwards the earlier keys can be removed from the fallbacks."""

    help = (
        "Encrypt all stored secrets with the current ENCRYPTION_KEY, also those stored before "
        "encryption. Afterwards remove the earlier keys from ENCRYPTION_KEY_FALLBACKS."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Encrypt and print how many; exit with 1 if one can't be decrypted."""
        try:
            factors, webhooks = encrypt_again(), encrypt_secrets_again()
            parts = encrypt_parts_again()
        except UnreadableSecret as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"Encrypted secrets of second factors: {factors}, of webhooks: {webhooks}, "
            f"of parts and dictionaries: {parts}."
        )
