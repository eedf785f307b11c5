"""Finds what a path names, and says in Fastly's words what is not there or cannot be done."""

import contextlib
from collections.abc import Iterator

from accounts.actor import Actor
from accounts.errors import Invalid, NotFound
from products.services import queries
from products.services.models import Part, Service, Version

MAX_VERSION_NUMBER = 2**31 - 1
# Fastly's own words for a record that was never deleted; its clients print them as they are.
FASTLY_RECORD_PREFIX = "deleted => 0000-00-00 00:00:00"


class ServiceDeleted(Invalid):
    """The service was there once."""

    code = "service_deleted"


def service_at(actor: Actor, service_id: str) -> Service:
    """Return a service that the actor may see. Raises NotFound, and ServiceDeleted for a former one."""
    try:
        return queries.get_service(actor, service_id)
    except NotFound as error:
        if former(actor, service_id):
            raise ServiceDeleted(f"Service '{service_id}' is deleted") from error
        raise NotFound(
            f"Couldn't find Service '{{ {FASTLY_RECORD_PREFIX}, id => {service_id} }}'"
        ) from error


def former(actor: Actor, service_id: str) -> bool:
    """Tell whether there was such a service that the actor could see."""
    mine = Service.objects.visible_to(actor)
    return bool(mine.filter(pk=service_id).exclude(deleted_at=None).exists())


def version_for_decision_at(actor: Actor, service_id: str, number: int) -> Version:
    """Return a version to decide about; the decision hides what a limited member may not see."""
    words = f"Couldn't find Version '{{ {FASTLY_RECORD_PREFIX}, number => {number}, service => {service_id} }}'"
    if number > MAX_VERSION_NUMBER:
        raise NotFound(words)
    try:
        return queries.version_for_decision(actor, service_id, number)
    except NotFound as error:
        service_at(actor, service_id)
        raise NotFound(words) from error


def version_at(actor: Actor, service_id: str, number: int) -> Version:
    """Return a version of a service that the actor may see."""
    service = service_at(actor, service_id)
    words = f"Couldn't find Version '{{ {FASTLY_RECORD_PREFIX}, number => {number}, service => {service_id} }}'"
    if number > MAX_VERSION_NUMBER:
        raise NotFound(words)
    try:
        return queries.get_version(actor, service.pk, number)
    except NotFound as error:
        raise NotFound(words) from error


def part_at(version: Version, kind: str, name: str) -> Part:
    """Return something of a version by its name."""
    with fastly_not_found(version, kind, name):
        return queries.get_part(version, kind, name)


@contextlib.contextmanager
def fastly_not_found(version: Version, kind: str, name: str) -> Iterator[None]:
    """Say that a version has nothing of this name as Fastly says it, detail and all."""
    where = f"service => {version.service_id}, version => {version.number}"
    try:
        yield
    except NotFound as error:
        title = kind.replace("_", " ").title().replace(" ", "")
        raise NotFound(
            f"Couldn't find {title} '{{ {FASTLY_RECORD_PREFIX}, name => {name}, {where} }}'"
        ) from error
