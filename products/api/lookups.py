"""Finds what a path names; errors have Fastly's texts.

A write names the permission that it needs, which is decided here, before its body is read.
"""

import contextlib
from collections.abc import Iterator

from accounts import policy
from accounts.actor import Actor
from accounts.errors import NotFound
from accounts.roles import Permission
from products.services import queries
from products.services.commands.locking import ServiceGone
from products.services.models import Part, Service, Version
from products.services.validation import kind_of

CONFIGURE = Permission.SERVICE_CONFIGURE  # what most writes need
# Fastly's text for a record that was not deleted; its clients print it unchanged.
FASTLY_RECORD_PREFIX = "deleted => 0000-00-00 00:00:00"


def service_at(
    actor: Actor, service_id: str, needs: Permission | None = None
) -> Service:
    """Return a service that the actor may see, and for which they have the needed permission.

    Raises NotFound, ServiceGone or Forbidden.
    """
    with _service_not_found(actor, service_id):
        service = queries.get_service(actor, service_id)
    _require(actor, needs, service)
    return service


def service_with_versions_at(
    actor: Actor, service_id: str
) -> tuple[Service, list[Version]]:
    """Return a service and its versions, oldest first. Raises as `service_at` does."""
    with _service_not_found(actor, service_id):
        return queries.service_with_versions(actor, service_id)


@contextlib.contextmanager
def _service_not_found(actor: Actor, service_id: str) -> Iterator[None]:
    """Replace NotFound by an error with Fastly's text for a service."""
    try:
        yield
    except NotFound as error:
        if was_deleted(actor, service_id):
            raise ServiceGone(service_id) from error
        raise record_not_found("Service", service_id) from error


def _require(actor: Actor, needs: Permission | None, service: Service) -> None:
    if needs is not None:
        policy.require(actor, needs, service)


def was_deleted(actor: Actor, service_id: str) -> bool:
    """Return whether this is a deleted service that the actor could see."""
    visible = Service.objects.visible_to(actor)
    return bool(visible.filter(pk=service_id).exclude(deleted_at=None).exists())


def version_not_found(service_id: str, number: int) -> NotFound:
    """Return the error, with Fastly's text, for a version that does not exist."""
    return NotFound(
        f"Couldn't find Version '{{ {FASTLY_RECORD_PREFIX}, number => {number}, service => {service_id} }}'"
    )


def version_for_decision_at(actor: Actor, service_id: str, number: int) -> Version:
    """Return a version to decide about; the decision hides what a limited member may not see."""
    try:
        return queries.version_for_decision(actor, service_id, number)
    except NotFound as error:
        service_at(actor, service_id)
        raise version_not_found(service_id, number) from error


def version_at(
    actor: Actor, service_id: str, number: int, needs: Permission | None = None
) -> Version:
    """Return a version of a service. Raises as `service_at` does."""
    try:
        version = queries.get_version(actor, service_id, number)
    except NotFound as error:
        service_at(actor, service_id, needs)
        raise version_not_found(service_id, number) from error
    _require(actor, needs, version.service)
    return version


def part_at(version: Version, kind: str, name: str) -> Part:
    """Return a part of a version by its name."""
    with fastly_not_found(version, kind, name):
        return queries.get_part(version, kind, name)


def part_with_id(
    actor: Actor, kind: str, part_id: str, needs: Permission | None = None
) -> Part:
    """Return a part by its id alone, with its version. Raises NotFound with Fastly's text."""
    row = queries.part_with_id(actor, kind, part_id)
    if row is None:
        raise record_not_found(kind_of(kind).not_found, part_id)
    _require(actor, needs, row.version.service)
    return row


def part_of_service(service: Service, kind: str, part_id: str) -> Part:
    """Return a part of any version by its id. Raises NotFound with Fastly's text."""
    row = queries.part_of_service(service, kind, part_id)
    if row is None:
        raise record_not_found(kind_of(kind).not_found, part_id)
    return row


def record_not_found(label: str, record_id: str) -> NotFound:
    """Return the error, with Fastly's text, for a record that an id does not name."""
    return NotFound(
        f"Couldn't find {label} '{{ {FASTLY_RECORD_PREFIX}, id => {record_id} }}'"
    )


@contextlib.contextmanager
def fastly_not_found(version: Version, kind: str, name: str) -> Iterator[None]:
    """Replace NotFound by one with Fastly's text for a part that a version does not have."""
    location = f"service => {version.service_id}, version => {version.number}"
    try:
        yield
    except NotFound as error:
        label = kind_of(kind).not_found
        raise NotFound(
            f"Couldn't find {label} '{{ {FASTLY_RECORD_PREFIX}, name => {name}, {location} }}'"
        ) from error
