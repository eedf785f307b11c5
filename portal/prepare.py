"""Prepares the database and the data folder before the portal's programs start."""

from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.db.models import Q
from django.utils import timezone

from accounts.actor import Actor, Interface
from accounts.models import Account
from accounts.tokens import digests
from portal import secret_ids
from portal.management.commands.edge import FIRST_NAME, credential_file
from products.metering.commands import issue_credential
from products.metering.models import Edge

# The edge reads the file for each request, so an hour is ample.
CREDENTIAL_OVERLAP = timedelta(hours=1)


class OtherInstallationError(Exception):
    """The database belongs to an installation with other secrets."""


def prepare() -> None:
    """Migrate the database, load the catalogue, and load the demo if there is no account.

    Steps that are done already change nothing. In production there is no demo, and the static
    files are collected under their hashed names.
    """
    make_private(settings.DATA_DIR / "secrets")
    call_command("migrate", interactive=False, verbosity=0)
    _require_same_secrets()
    call_command("createcachetable", verbosity=0)
    call_command("loadcatalogue", verbosity=0)
    settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)
    if settings.PRODUCTION:
        call_command("collectstatic", interactive=False, verbosity=0)
    elif not Account.objects.exists():
        call_command("demo")
    ensure_edge_credential(credential_file(FIRST_NAME), now=timezone.now())


def _require_same_secrets() -> None:
    faults = [" ".join(each) for each in secret_ids.faults()]
    if faults:
        raise OtherInstallationError(" ".join(faults))
    secret_ids.keep_ids()


def make_private(secrets: Path) -> None:
    """Create the folder of secrets if it is missing; give access to its owner only."""
    secrets.mkdir(mode=0o700, parents=True, exist_ok=True)
    secrets.chmod(0o700)
    for path in secrets.iterdir():
        path.chmod(0o600)


def ensure_edge_credential(path: Path, *, now: datetime) -> None:
    """Issue a credential for this machine's edge, unless the database knows the one in the file.

    One that expires soon is replaced; a running edge has an hour to read the new one. The file is
    private (0600). A revoked credential is not replaced. Notes edge_credential.issued. Raises
    OtherInstallationError if the edge has another credential: replacing it would end the edge that
    uses it.
    """
    secret = path.read_text(encoding="ascii").strip() if path.exists() else ""
    rows = Edge.objects.filter(
        Q(digest__in=digests(secret)) | Q(next_digest__in=digests(secret))
    )
    known = rows.first() if secret else None
    if known is not None and (known.revoked_at or not known.expires_soon(now)):
        return
    active = Edge.objects.filter(name=FIRST_NAME, revoked_at=None)
    if known is None and active.exists():
        raise OtherInstallationError(
            f"{FIRST_NAME} has a credential that is not in {path}. If another installation uses "
            f"this database, copy its {path.parent}: all share SECRET_KEY and TOKEN_PEPPER. "
            f"If the file is lost, run: manage.py edge_credential {FIRST_NAME} --revoke"
        )
    actor = Actor.system("edge-credential", interface=Interface.COMMAND)
    issued = issue_credential(
        actor, name=FIRST_NAME, now=now, overlap=CREDENTIAL_OVERLAP
    )
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(issued.secret + "\n", encoding="ascii")
