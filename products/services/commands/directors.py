"""Add backends to a director of a draft, and remove them."""

from datetime import datetime

from accounts.actor import Actor
from accounts.change import recorded_change
from accounts.errors import NotFound
from accounts.roles import Permission
from products.services.commands.locking import Duplicate, draft_for_update
from products.services.commands.parts import apply_changes
from products.services.commands.related import backends_of
from products.services.models import Part, Version
from products.services.queries import get_part


def add_backend(
    actor: Actor, *, version: Version, director: str, backend: str, now: datetime
) -> Part:
    """Add a backend of the version to a director, and return the director.

    Raises Forbidden, NotFound, VersionLocked, and Duplicate if the director has it already. Notes
    director.updated.
    """
    with recorded_change(
        actor, Permission.SERVICE_CONFIGURE, on=version.service, now=now
    ) as trail:
        version = draft_for_update(version)
        get_part(version, "backend", backend)
        row = get_part(version, "director", director)
        names = backends_of(row)
        if backend in names:
            raise Duplicate("director_backend", backend)
        apply_changes(trail, row, {"backends": [*names, backend]}, trail.now)
    return row


def remove_backend(
    actor: Actor, *, version: Version, director: str, backend: str, now: datetime
) -> Part:
    """Remove a backend from a director, and return the director.

    Raises Forbidden, VersionLocked, and NotFound. Notes director.updated.
    """
    with recorded_change(
        actor, Permission.SERVICE_CONFIGURE, on=version.service, now=now
    ) as trail:
        row = get_part(draft_for_update(version), "director", director)
        names = backends_of(row)
        if backend not in names:
            raise NotFound(f"Director “{director}” has no backend “{backend}”.")
        left = [each for each in names if each != backend]
        apply_changes(trail, row, {"backends": left}, trail.now)
    return row
