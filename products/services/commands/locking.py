"""Reads that lock services and versions within a command, and their refusals."""

from datetime import datetime

from accounts.errors import Conflict
from products.services.lifecycle import Transition, is_allowed
from products.services.models import Service, Version


class VersionLocked(Conflict):
    """A locked or active version cannot be changed."""

    code = "version_locked"

    def __init__(self, version: Version) -> None:
        """Say which version."""
        super().__init__(f"Version {version.number} is locked.")
        self._fastly_text = (
            f"Version '{version.number}' for service '{version.service_id}' is locked"
        )

    @property
    def text(self) -> str:
        """Return Fastly's sentence, which the API sends."""
        return self._fastly_text


class Duplicate(Conflict):
    """The name is taken."""

    code = "duplicate"

    def __init__(self, kind: str, name: str) -> None:
        """Say which name of which kind."""
        super().__init__(f"Duplicate {kind}: '{name}'")
        self.name = name


class ServiceGone(Conflict):
    """The service was deleted, before the call or while it ran."""

    code = "service_deleted"

    def __init__(self, service_id: str) -> None:
        """Say which service."""
        super().__init__(f"Service '{service_id}' is deleted")


def service_for_update(service_id: str) -> Service:
    """Read a service and its account again, and lock it until the commit. Raises ServiceGone."""
    rows = Service.objects.select_for_update(of=("self",)).select_related("account")
    service = rows.existing().filter(pk=service_id).first()
    if service is None:
        raise ServiceGone(service_id)
    return service


def version_for_update(version: Version) -> Version:
    """Read a version again, its service first, and lock both. Raises ServiceGone."""
    service = service_for_update(version.service_id)
    fresh = Version.objects.select_for_update().get(pk=version.pk)
    fresh.service = service
    return fresh


def draft_for_update(version: Version) -> Version:
    """Read a version again to change it, and lock it. Raises VersionLocked and ServiceGone."""
    fresh = version_for_update(version)
    if not is_allowed(fresh.state, Transition.EDIT):
        raise VersionLocked(fresh)
    return fresh


def bump_revision(version: Version, now: datetime) -> None:
    """Increase a version's revision: something in it has changed."""
    version.revision += 1
    version.updated_at = now
    version.save(update_fields=["revision", "updated_at"])
