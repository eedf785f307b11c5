"""Issue and revoke the credentials of edges."""

import re
from dataclasses import dataclass
from datetime import datetime

from django.forms.models import model_to_dict

from accounts.actor import Actor
from accounts.audit.vocabulary import Event
from accounts.change import recorded_change
from accounts.errors import Invalid, NotFound
from accounts.policy import PLATFORM
from accounts.roles import Permission
from accounts.tokens import digest, new_secret
from products.metering.models import Edge

EDGE_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,59}")
# All else that stands in a row is what was heard of the edge.
_OF_ONE_CREDENTIAL = ("id", "name", "digest", "created_at", "revoked_at")


@dataclass(frozen=True, slots=True)
class IssuedCredential:
    """A new credential; the secret is seen here and never again."""

    edge: Edge
    secret: str


def issue_credential(actor: Actor, *, name: str, now: datetime) -> IssuedCredential:
    """Make a credential for an edge; one that it has is revoked in the same change.

    It is the same edge, and what was heard of it goes on: figures wait for it as they did.
    Raises Invalid for a name that is not a short host-like word. Notes edge_credential.issued,
    and edge_credential.revoked for the one replaced.
    """
    if not EDGE_NAME.fullmatch(name):
        raise Invalid("An edge's name is made of a-z, 0-9 and '-'.", field="name")
    secret = new_secret()
    with recorded_change(actor, Permission.EDGE_MANAGE, on=PLATFORM, now=now) as trail:
        old = Edge.objects.filter(name=name, revoked_at=None).first()
        heard = {}
        if old is not None:
            heard = model_to_dict(old, exclude=_OF_ONE_CREDENTIAL)
            old.revoked_at = now
            old.save(update_fields=["revoked_at"])
            trail.note(Event.EDGE_CREDENTIAL_REVOKED, target=("edge", old.pk, name))
        edge = Edge.objects.create(
            name=name, digest=digest(secret), created_at=now, **heard
        )
        trail.note(Event.EDGE_CREDENTIAL_ISSUED, target=("edge", edge.pk, name))
    return IssuedCredential(edge, secret)


def revoke_credential(actor: Actor, *, name: str, now: datetime) -> None:
    """Revoke an edge's credential at once. Raises NotFound; notes edge_credential.revoked."""
    with recorded_change(actor, Permission.EDGE_MANAGE, on=PLATFORM, now=now) as trail:
        edge = Edge.objects.filter(name=name, revoked_at=None).first()
        if edge is None:
            raise NotFound(f"There is no live credential of an edge '{name}'.")
        edge.revoked_at = now
        edge.save(update_fields=["revoked_at"])
        trail.note(Event.EDGE_CREDENTIAL_REVOKED, target=("edge", edge.pk, name))
