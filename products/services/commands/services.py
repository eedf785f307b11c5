"""Create, rename and delete services."""

from datetime import datetime

from django.db import IntegrityError

from accounts.actor import Actor
from accounts.audit.vocabulary import Event
from accounts.change import Trail, Unchanged, recorded_change
from accounts.commands.service_access import set_access
from accounts.errors import Conflict, Invalid
from accounts.models import Account, User
from accounts.policy import load_access
from accounts.roles import AccessLevel, Permission
from products.services.commands.locking import Duplicate, service_for_update
from products.services.commands.validators import clean_comment, clean_service_name
from products.services.models import Service, Version


class ServiceActive(Conflict):
    """A service with an active version cannot be deleted."""

    code = "service_active"

    def __init__(self, service: Service, number: int) -> None:
        """Name the active version, and say what to do."""
        super().__init__(
            f"Version '{number}' of service '{service.name}' is active. "
            "Deactivate it first, then delete the service."
        )


def create_service(
    actor: Actor,
    *,
    account: Account,
    name: str,
    comment: str = "",
    kind: str = Service.Type.VCL,
    now: datetime,
) -> Service:
    """Create a service with an empty draft, version 1.

    An engineer whose access is limited to services gets full access on the new one (R21).
    Raises Forbidden, Invalid, and Duplicate for a name that the account has. Notes
    service.created, and service_access.granted if access was given.
    """
    with recorded_change(
        actor, Permission.SERVICE_CREATE, on=account, now=now
    ) as trail:
        if kind not in Service.Type.values:
            raise Invalid("A service is of type vcl or wasm.", field="type")
        service = Service(
            account=account,
            name=clean_service_name(name),
            comment=clean_comment(comment),
            type=kind,
            created_at=trail.now,
            updated_at=trail.now,
        )
        _save(service, insert=True)
        Version.objects.create(
            service=service,
            number=1,
            author=actor.words,
            created_at=trail.now,
            updated_at=trail.now,
        )
        trail.note(
            Event.SERVICE_CREATED,
            target=("service", service.pk, service.name),
            service_id=service.pk,
            after={
                "name": service.name,
                "type": service.type,
                "comment": service.comment,
            },
        )
        _give_access(actor, service, trail)
    return service


def update_service(
    actor: Actor,
    *,
    service: Service,
    name: str | None = None,
    comment: str | None = None,
    now: datetime,
) -> Service:
    """Change a service's name or comment; None leaves a field as it is.

    Raises Forbidden, NotFound, Invalid, and Duplicate for a name that the account has. Notes
    service.updated if something changes.
    """
    with recorded_change(
        actor, Permission.SERVICE_CONFIGURE, on=service, now=now
    ) as trail:
        service = service_for_update(service.pk)
        before = {"name": service.name, "comment": service.comment}
        if name is not None:
            service.name = clean_service_name(name)
        if comment is not None:
            service.comment = clean_comment(comment)
        after = {"name": service.name, "comment": service.comment}
        if before == after:
            raise Unchanged
        service.updated_at = trail.now
        _save(service)
        trail.note(
            Event.SERVICE_UPDATED,
            target=("service", service.pk, service.name),
            service_id=service.pk,
            before=before,
            after=after,
        )
    return service


def delete_service(actor: Actor, *, service: Service, now: datetime) -> None:
    """Delete a service; its versions are kept, its name becomes free.

    Raises Forbidden, NotFound, and ServiceActive if a version is active. Notes service.deleted.
    """
    with recorded_change(
        actor, Permission.SERVICE_CONFIGURE, on=service, now=now
    ) as trail:
        service = service_for_update(service.pk)
        active = service.versions.filter(active=True).first()
        if active is not None:
            raise ServiceActive(service, active.number)
        service.deleted_at = service.updated_at = trail.now
        service.save(update_fields=["deleted_at", "updated_at"])
        trail.note(
            Event.SERVICE_DELETED,
            target=("service", service.pk, service.name),
            service_id=service.pk,
            before={"name": service.name, "comment": service.comment},
        )


def _save(service: Service, *, insert: bool = False) -> None:
    try:
        service.save(force_insert=insert)
    except IntegrityError as error:
        raise Duplicate("service", service.name) from error


def _give_access(actor: Actor, service: Service, trail: Trail) -> None:
    if not load_access(actor, service.account_id).limit_services:
        return
    user = User.objects.get(pk=actor.user_id)
    set_access(user, service, AccessLevel.FULL)
    trail.note(
        Event.SERVICE_ACCESS_GRANTED,
        target=("user", user.pk, user.name),
        service_id=service.pk,
        after={"service": service.name, "level": AccessLevel.FULL.value},
    )
