"""What a superuser reviews before enabling a product: who can use it, and what conflicts with it."""

from dataclasses import dataclass

from accounts.actor import Actor
from accounts.models import Account
from accounts.policy import members_with
from accounts.queries import grants_in
from accounts.roles import AccessLevel, Permission, Role
from products.catalogue.models import Product
from products.compatibility.findings import Finding
from products.enablement.queries import conflicts_by_service
from products.services.models import Service
from products.services.queries import active_versions, services_of


@dataclass(frozen=True, slots=True)
class EligibleMember:
    """A member who will be able to use the product, and on which services."""

    name: str
    role: str
    services: str


@dataclass(frozen=True, slots=True)
class ServiceFindings:
    """What blocks switching the product on for a service."""

    service: Service
    findings: tuple[Finding, ...]


def superusers_of(account: Account) -> list[str]:
    """Return the names of the members who can enable products for an account."""
    members = members_with(Permission.PRODUCT_ENABLE, account.pk)
    return [str(member.user) for member in members]


def who_can_use(account: Account) -> list[EligibleMember]:
    """Return the members who may switch the product on for a service, by role and name."""
    grants = grants_in(account.pk)
    able = []
    for member in members_with(Permission.SERVICE_CONFIGURE, account.pk):
        services = "All services"
        if member.limit_services and member.role != Role.SUPERUSER:
            full = [
                g for g in grants.get(member.user_id, ()) if g.level is AccessLevel.FULL
            ]
            services = ", ".join(grant.service.name for grant in full)
        if services:
            able.append(
                EligibleMember(str(member.user), member.role.capitalize(), services)
            )
    return sorted(able, key=lambda person: (person.role != "Superuser", person.name))


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
