"""Create, clone, comment and lock versions."""

from datetime import datetime

from django.db import connection
from django.db.models import Max

from accounts.actor import Actor
from accounts.audit.vocabulary import Event
from accounts.change import Unchanged, recorded_change
from accounts.ids import new_id
from accounts.roles import Permission
from products.services.commands.locking import service_for_update, version_for_update
from products.services.commands.validators import clean_comment
from products.services.kinds import KINDS
from products.services.kinds.kind import Ids
from products.services.lifecycle import Transition, is_allowed
from products.services.models import Part, Service, Version

_WITH_NEW_IDS = [kind.segment for kind in KINDS.values() if kind.ids is Ids.NEW]


def clone_version(actor: Actor, *, version: Version, now: datetime) -> Version:
    """Create a draft with all parts of a version, under the next number.

    Raises Forbidden and NotFound. Notes version.cloned.
    """
    with recorded_change(
        actor, Permission.SERVICE_CONFIGURE, on=version.service, now=now
    ) as trail:
        source = version_for_update(version)
        clone = _new_version(
            source.service, author=actor.words, comment=source.comment, now=trail.now
        )
        clone.cloned_from = source.number
        clone.save(force_insert=True)
        _copy_parts(source, clone)
        trail.note(
            Event.VERSION_CLONED,
            target=version_target(clone),
            service_id=clone.service_id,
            after={"number": clone.number, "cloned_from": source.number},
        )
    return clone


def create_version(
    actor: Actor, *, service: Service, comment: str = "", now: datetime
) -> Version:
    """Create an empty draft under the next number.

    Raises Forbidden, NotFound and Invalid. Notes version.created.
    """
    with recorded_change(
        actor, Permission.SERVICE_CONFIGURE, on=service, now=now
    ) as trail:
        version = _new_version(
            service_for_update(service.pk),
            author=actor.words,
            comment=clean_comment(comment),
            now=trail.now,
        )
        version.save(force_insert=True)
        trail.note(
            Event.VERSION_CREATED,
            target=version_target(version),
            service_id=version.service_id,
            after={"number": version.number, "comment": version.comment},
        )
    return version


def comment_version(
    actor: Actor, *, version: Version, comment: str, now: datetime
) -> Version:
    """Change a version's comment, even if it is locked or active.

    Raises Forbidden, NotFound and Invalid. Notes version.updated if it changes.
    """
    with recorded_change(
        actor, Permission.SERVICE_CONFIGURE, on=version.service, now=now
    ) as trail:
        version = version_for_update(version)
        before, after = version.comment, clean_comment(comment)
        if before == after:
            raise Unchanged
        version.comment = after
        version.updated_at = trail.now
        version.save(update_fields=["comment", "updated_at"])
        trail.note(
            Event.VERSION_UPDATED,
            target=version_target(version),
            service_id=version.service_id,
            before={"comment": before},
            after={"comment": after},
        )
    return version


def lock_version(actor: Actor, *, version: Version, now: datetime) -> Version:
    """Lock a draft permanently; a version that is locked or active does not change.

    Raises Forbidden and NotFound. Notes version.locked if it changes.
    """
    with recorded_change(
        actor, Permission.SERVICE_CONFIGURE, on=version.service, now=now
    ) as trail:
        version = version_for_update(version)
        if not is_allowed(version.state, Transition.LOCK):
            raise Unchanged
        version.locked = True
        version.updated_at = trail.now
        version.save(update_fields=["locked", "updated_at"])
        trail.note(
            Event.VERSION_LOCKED,
            target=version_target(version),
            service_id=version.service_id,
            before={"locked": False},
            after={"locked": True},
        )
    return version


def version_target(version: Version) -> tuple[str, str, str]:
    """Return a version as the trail names it: its type, `SERVICE/NUMBER`, a label."""
    number = version.number
    return (
        "version",
        f"{version.service_id}/{number}",
        f"{version.service.name} version {number}",
    )


def _new_version(
    service: Service, *, author: str, comment: str, now: datetime
) -> Version:
    """Return an unsaved draft under the next number; the caller has locked the service."""
    last = service.versions.aggregate(last=Max("number"))["last"] or 0
    return Version(
        service=service,
        number=last + 1,
        comment=comment,
        author=author,
        created_at=now,
        updated_at=now,
    )


def _copy_parts(source: Version, clone: Version) -> None:
    """Copy a version's parts with their positions and ids: one statement, two with new ids."""
    copied = (
        'kind, namespace, name, public_id, position, "values", created_at, updated_at'
    )
    with connection.cursor() as cursor:
        # Only names of columns are put into the text.
        cursor.execute(
            f"INSERT INTO services_part (version_id, {copied}) "  # noqa: S608
            f"SELECT %s, {copied} FROM services_part WHERE version_id = %s",
            [clone.pk, source.pk],
        )
    renewed = list(clone.parts.filter(kind__in=_WITH_NEW_IDS))
    for row in renewed:
        row.public_id = new_id()
        if not row.declared.named:
            row.name = row.public_id
    if renewed:
        Part.objects.bulk_update(renewed, ["public_id", "name"])
