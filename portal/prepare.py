"""What must be so before the portal's programs start."""

from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.utils import timezone

from accounts.models import Account
from portal.edge_credential import ensure_edge_credential
from products.edge.management.commands.edge import FIRST_NAME, credential_file


def make_private(secrets: Path) -> None:
    """Take all rights to the secrets from everybody but their owner."""
    secrets.mkdir(mode=0o700, parents=True, exist_ok=True)
    secrets.chmod(0o700)
    for path in secrets.iterdir():
        path.chmod(0o600)


def prepare() -> None:
    """Bring the database up to date, with the catalogue, and with the demo if it is empty.

    Does nothing that is done already. In production no demo is made, and the static files are
    collected under their hashed names.
    """
    secrets = settings.DATA_DIR / "secrets"
    make_private(secrets)
    call_command("migrate", interactive=False, verbosity=0)
    call_command("createcachetable", verbosity=0)
    call_command("loadcatalogue", verbosity=0)
    settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)
    if settings.PRODUCTION:
        call_command("collectstatic", interactive=False, verbosity=0)
    elif not Account.objects.exists():
        call_command("demo")
    ensure_edge_credential(credential_file(FIRST_NAME), now=timezone.now())
