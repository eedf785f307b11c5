"""The review before a product is enabled: who can use it, what conflicts with it, what it costs."""

from dataclasses import dataclass

from django.http import HttpRequest

from accounts.actor import Actor
from accounts.models import Account
from accounts.policy import members_with
from accounts.queries import grants_in
from accounts.roles import AccessLevel, Permission, Role
from products.catalogue.models import Product
from products.compatibility.findings import Finding
from products.enablement.queries import ProductState, conflicts_by_service
from products.services.models import Service
from products.services.queries import active_versions, services_of
from products.web.forms import CalculatorForm
from products.web.price_display import estimated

# The numbers that the calculator starts with.
EXAMPLE_MONTH = {"connections": "1,500,000", "length": "260"}


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


def calculator_context(request: HttpRequest, state: ProductState) -> dict[str, object]:
    """Return the calculator's form and, if its input is valid, the estimate."""
    if state.price is None or state.price.meter != "connection_time":
        return {}
    typed = request.GET if "connections" in request.GET else EXAMPLE_MONTH
    form = CalculatorForm(typed)
    context: dict[str, object] = {"calculator": form}
    if form.is_valid():
        length = form.cleaned_data["length"]
        context["answer"] = estimated(
            state.price,
            connections=form.cleaned_data["connections"],
            seconds_each=length,
        )
        context["length_seconds"] = length
    return context
