"""Credentials of edges, what edges report about themselves, and the ingest epoch."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

from django.forms.models import model_to_dict

from accounts.actor import Actor
from accounts.audit.vocabulary import Event
from accounts.change import Unchanged, recorded_change
from accounts.errors import Conflict, Invalid, NotFound
from accounts.ids import new_id
from accounts.optional_write import update_if_free
from accounts.policy import PLATFORM
from accounts.roles import Permission
from accounts.tokens import digest, digests, new_secret
from products.edge.contract import EdgeStatus
from products.metering.models import MAX_NETWORKS_LENGTH, Edge, IngestEpoch
from products.metering.queries import current_epoch

EDGE_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,59}")
# An edge asks every second. A write for each request would make the cheapest call expensive.
STATUS_WRITE_INTERVAL = timedelta(seconds=5)
# The fields of one credential; all others are of the edge and are copied to its next credential.
_CREDENTIAL_FIELDS = (
    "id",
    "name",
    "digest",
    "created_at",
    "issued_at",
    "revoked_at",
    "expires_at",
    "networks",
    "previous_digest",
    "previous_until",
    "next_digest",
    "next_issued_at",
)
DEFAULT_LIFETIME = timedelta(days=365)
# Between two renewals, so that a second request does not take back what the first was given.
RENEWAL_PAUSE = timedelta(minutes=1)
# A renewed credential is in use; the one before may still be in a request that is in flight.
RENEWED_OVERLAP = timedelta(hours=1)


class RenewalNotDue(Conflict):
    """The credential does not end soon, or was renewed a moment ago."""

    code = "renewal_not_due"


@dataclass(frozen=True, slots=True)
class IssuedCredential:
    """A new credential; the secret is shown only once."""

    edge: Edge
    secret: str


def issue_credential(
    actor: Actor,
    *,
    name: str,
    now: datetime,
    lifetime: timedelta = DEFAULT_LIFETIME,
    networks: Sequence[str] = (),
    overlap: timedelta = timedelta(),
) -> IssuedCredential:
    """Create a credential for an edge in place of the one it has.

    It expires after `lifetime`, and can be bound to networks. The old one is still accepted for
    `overlap`, in which the edge gets the new one.

    The status of the edge is kept, so usage is not complete before this edge has reported again.
    Raises Invalid for a name that is not short and lower case, and for networks. Notes
    edge_credential.issued, and edge_credential.revoked for the one that is replaced.
    """
    if not EDGE_NAME.fullmatch(name):
        raise Invalid(
            "Enter a name of at most 60 characters: a-z, 0-9 and '-'.", field="name"
        )
    bound_to = _cleaned_networks(networks)
    secret = new_secret()
    with recorded_change(actor, Permission.EDGE_MANAGE, on=PLATFORM, now=now) as trail:
        old = Edge.objects.filter(name=name, revoked_at=None).first()
        status = {}
        if old is not None:
            status = model_to_dict(old, exclude=_CREDENTIAL_FIELDS)
            if overlap > timedelta():
                status |= {
                    "previous_digest": old.digest,
                    "previous_until": trail.now + overlap,
                }
            old.revoked_at = trail.now
            old.save(update_fields=["revoked_at"])
            trail.note(Event.EDGE_CREDENTIAL_REVOKED, target=("edge", old.pk, name))
        edge = Edge.objects.create(
            name=name,
            digest=digest(secret),
            created_at=trail.now,
            issued_at=trail.now,
            expires_at=trail.now + lifetime,
            networks=bound_to,
            **status,
        )
        trail.note(
            Event.EDGE_CREDENTIAL_ISSUED,
            target=("edge", edge.pk, name),
            after={
                "expires_at": (trail.now + lifetime).isoformat(),
                "networks": bound_to,
                "overlap_seconds": overlap // timedelta(seconds=1),
            },
        )
    return IssuedCredential(edge, secret)


def _cleaned_networks(networks: Sequence[str]) -> str:
    try:
        text = ",".join(str(ip_network(each.strip())) for each in networks)
    except ValueError as error:
        raise Invalid(
            "Enter networks such as 192.0.2.7 or 2001:db8::/48.", field="networks"
        ) from error
    if len(text) > MAX_NETWORKS_LENGTH:
        raise Invalid("Enter fewer networks.", field="networks")
    return text


def renewal_is_due(edge: Edge, *, secret: str, now: datetime) -> bool:
    """Tell whether an edge should renew the credential that it uses.

    It ends soon, or its hash is of an earlier pepper. One that an operator has already replaced is
    not renewed, so that the new one stays valid.
    """
    known = digests(secret)
    if edge.digest not in known:
        return False
    return edge.expires_soon(now) or edge.digest != known[0]


def renew_credential(actor: Actor, *, edge: Edge, secret: str, now: datetime) -> str:
    """Give an edge its next credential, and return the secret; the one that it uses stays valid.

    The next one is as long valid as this one was, and bound to the same networks. Raises
    Forbidden and RenewalNotDue. Notes edge_credential.issued.
    """
    new = new_secret()
    with recorded_change(actor, Permission.EDGE_MANAGE, on=PLATFORM, now=now) as trail:
        row = Edge.objects.select_for_update().get(pk=edge.pk)
        pauses_until = (row.next_issued_at or trail.now - RENEWAL_PAUSE) + RENEWAL_PAUSE
        if (
            not renewal_is_due(row, secret=secret, now=trail.now)
            or trail.now < pauses_until
        ):
            raise RenewalNotDue("The credential need not be renewed yet.")
        row.next_digest, row.next_issued_at = digest(new), trail.now
        row.save(update_fields=["next_digest", "next_issued_at"])
        trail.note(
            Event.EDGE_CREDENTIAL_ISSUED,
            target=("edge", row.pk, row.name),
            after={"renewed": True, "networks": row.networks},
        )
    return new


def adopt_credential(actor: Actor, *, edge: Edge, secret: str, now: datetime) -> None:
    """Put the renewed credential, which an edge uses for the first time, in the place of the old one.

    The old one is accepted for another hour. Raises Forbidden. Notes edge_credential.renewed.
    """
    with recorded_change(actor, Permission.EDGE_MANAGE, on=PLATFORM, now=now) as trail:
        row = Edge.objects.select_for_update().get(pk=edge.pk)
        if row.next_digest not in digests(secret):
            raise Unchanged  # another request was first
        lifetime = row.lifetime
        row.previous_digest, row.previous_until = (
            row.digest,
            trail.now + RENEWED_OVERLAP,
        )
        row.digest, row.issued_at = row.next_digest, row.next_issued_at
        row.expires_at = None if lifetime is None else trail.now + lifetime
        row.next_digest, row.next_issued_at = "", None
        row.save()
        trail.note(
            Event.EDGE_CREDENTIAL_RENEWED,
            target=("edge", row.pk, row.name),
            after={
                "expires_at": row.expires_at.isoformat() if row.expires_at else None
            },
        )


def revoke_credential(actor: Actor, *, name: str, now: datetime) -> None:
    """Revoke an edge's credential. Raises NotFound; notes edge_credential.revoked."""
    with recorded_change(actor, Permission.EDGE_MANAGE, on=PLATFORM, now=now) as trail:
        edge = Edge.objects.filter(name=name, revoked_at=None).first()
        if edge is None:
            raise NotFound(f"The edge '{name}' has no active credential.")
        edge.revoked_at = trail.now
        edge.save(update_fields=["revoked_at"])
        trail.note(Event.EDGE_CREDENTIAL_REVOKED, target=("edge", edge.pk, name))


def note_status(edge: Edge, *, status: EdgeStatus | None, now: datetime) -> None:
    """Save the status that an edge sends with a request for its table, at most every five seconds."""
    # Not by `last_seen_at`: reports move it as often, and the status would never be saved.
    if edge.asked_at is not None and now - edge.asked_at < STATUS_WRITE_INTERVAL:
        return
    fields: dict[str, object] = {"last_seen_at": now, "asked_at": now}
    if status is not None:
        fields |= _status_fields(status, now)
        reported_at = _reported_at(status, now)
        if reported_at is not None:
            fields["reported_at"] = max(reported_at, edge.reported_at or reported_at)
    update_if_free(
        Edge.objects.filter(pk=edge.pk), fields, what="the status of an edge"
    )


def note_report(edge: Edge, *, sent_at: datetime, received_at: datetime) -> None:
    """Save when an edge reported, and by how much its clock differs from the portal's.

    A report can be one of several, so it does not change `reported_at`.
    """
    update_if_free(
        Edge.objects.filter(pk=edge.pk),
        {
            "last_seen_at": received_at,
            "clock_offset_ms": _offset_ms(sent_at, received_at),
        },
        what="when an edge reported",
    )


def ingest_epoch(now: datetime) -> str:
    """Return the ingest epoch; the first report creates it."""
    return IngestEpoch.objects.get_or_create(pk=1, defaults={"since": now})[0].epoch


def declare_restored(actor: Actor, *, now: datetime) -> str:
    """Start a new ingest epoch, so that edges resend what they still have, and return it.

    For the operator, after the database was restored from a backup. Raises Forbidden. Notes
    database.restored in the platform's trail.
    """
    new = new_id()
    with recorded_change(actor, Permission.EDGE_MANAGE, on=PLATFORM, now=now) as trail:
        before = IngestEpoch.objects.filter(pk=1).first()
        IngestEpoch.objects.update_or_create(
            pk=1, defaults={"epoch": new, "since": trail.now}
        )
        trail.note(
            Event.DATABASE_RESTORED,
            target=("epoch", new, "ingest epoch"),
            before={"epoch": before.epoch} if before else None,
            after={"epoch": new},
        )
    return new


def _status_fields(status: EdgeStatus, now: datetime) -> dict[str, object]:
    fields: dict[str, object] = {
        "engine": status.engine,
        "version": status.version,
        "revision": status.revision,
        "open_connections": status.open_connections,
        "rejected_connections": status.rejected_connections,
        "unsent_bytes": status.unsent_bytes,
        "store_is_writable": status.store_is_writable,
        "log_lines_dropped": status.log_lines_dropped,
        "quarantined_records": status.quarantined_records,
    }
    if status.at:
        fields["clock_offset_ms"] = _offset_ms(_instant(status.at), now)
    return fields


def _reported_at(status: EdgeStatus, now: datetime) -> datetime | None:
    """Return until when all usage has arrived, by the portal's clock; None if that is unknown.

    What an edge says of another epoch was true of the database before it was restored.
    """
    if not status.at or not status.complete_to:
        return None
    if status.ingest_epoch != current_epoch():
        return None
    # The earlier by both clocks: the request took time, and either clock may be wrong.
    at, complete_to = _instant(status.at), _instant(status.complete_to)
    return min(now - max(at - complete_to, timedelta()), complete_to)


def _instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _offset_ms(edge_time: datetime, portal_time: datetime) -> int:
    return (edge_time - portal_time) // timedelta(milliseconds=1)
