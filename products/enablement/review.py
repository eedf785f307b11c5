"""What a superuser reviews before enabling a product: who can use it, and what conflicts with it."""

from collections.abc import Iterable
from dataclasses import dataclass

from accounts.actor import Actor
from accounts.models import Account, Membership
from accounts.policy import members_with
from accounts.queries import SUPERUSERS_FIRST, Grant, configurers_of, grants_in
from accounts.roles import AccessLevel, Permission
from products.catalogue.models import Product
from products.compatibility.findings import Finding
from products.enablement.queries import conflicts_by_service
from products.services.models import Service
from products.services.queries import active_versions, services_of


@dataclass(frozen=True, slots=True)
class EligibleMember:
    """A member who will be able to use the product; on some services `only`, or on all if it is empty."""

    name: str
    role: str
    only: tuple[str, ...] = ()

    @property
    def services(self) -> str:
        """Return the services in words."""
        return ", ".join(self.only) or "All services"


@dataclass(frozen=True, slots=True)
class ServiceFindings:
    """What blocks switching the product on for a service."""

    service: Service
    findings: tuple[Finding, ...]


def superusers_of(account: Account) -> list[str]:
    """Return the names of the members who can enable products for an account."""
    members = members_with(Permission.PRODUCT_ENABLE, account.pk)
    return [str(member.user) for member in members]


def who_can_use(account: Account, limit: int | None = None) -> list[EligibleMember]:
    """Return the members who may switch the product on for a service; superusers first, then by name.

    The first ones, if there is a `limit`.
    """
    members = list(
        configurers_of(account.pk).order_by(SUPERUSERS_FIRST, "user__name", "pk")[
            :limit
        ]
    )
    grants = grants_in(account.pk, [member.user_id for member in members])
    return [
        EligibleMember(
            str(member.user),
            member.role.capitalize(),
            _full_access(member, grants.get(member.user_id, ())),
        )
        for member in members
    ]


def _full_access(member: Membership, grants: Iterable[Grant]) -> tuple[str, ...]:
    """Return the names of the services that a limited member may configure."""
    if not member.is_limited:
        return ()
    return tuple(g.service.name for g in grants if g.level is AccessLevel.FULL)


def conflicts_of(actor: Actor, product: Product) -> list[ServiceFindings]:
    """Return what blocks switching a product on, for each visible service with an active version.

    A service without one is listed only if it has a conflict. Five queries for any number.
    """
    services = list(services_of(actor))
    found = conflicts_by_service(services, with_=product.pk)
    active = active_versions(services)
    return [
        ServiceFindings(service, found[service.pk])
        for service in services
        if found[service.pk] or service.pk in active
    ]
