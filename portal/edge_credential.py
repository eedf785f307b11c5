"""The credential with which the edge of this machine speaks to the portal, kept in a file."""

from datetime import datetime
from pathlib import Path

from accounts.actor import Actor
from accounts.tokens import digests
from products.edge.management.commands.edge import FIRST_NAME
from products.metering.commands import issue_credential
from products.metering.models import Edge


def ensure_edge_credential(path: Path, *, now: datetime) -> None:
    """Issue a credential into the file (0600) unless this database knows the one in it.

    One that was revoked stays revoked: the edge is refused until somebody issues another. Notes
    edge_credential.issued.
    """
    secret = path.read_text(encoding="ascii").strip() if path.exists() else ""
    if secret and Edge.objects.filter(digest__in=digests(secret)).exists():
        return
    actor = Actor.system("edge-credential", interface="command")
    issued = issue_credential(actor, name=FIRST_NAME, now=now)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(issued.secret + "\n", encoding="ascii")
