"""What the account can use, and what the user can do with each product, with the reasons."""

from dataclasses import dataclass

from django.contrib.auth.decorators import login_required
from django.db.models import Max
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from accounts.authentication import actor_of
from accounts.models import Account
from accounts.policy import AccountAccess, Decision, load_access
from accounts.queries import account_of
from accounts.roles import Permission
from products.compatibility.rules import blocking_switch
from products.compatibility.version_config import VersionConfig
from products.enablement.queries import ProductState, products_of
from products.enablement.refusals import type_refusal
from products.enablement.review import superusers_of
from products.services.models import Service
from products.services.queries import active_configs, services_of
from products.web.price_display import product_price_line


@dataclass(frozen=True, slots=True)
class Cell:
    """The state of a product on one service."""

    service: Service
    kind: str
    word: str
    reason: str


@dataclass(frozen=True, slots=True)
class ProductRow:
    """One product: the account's state, what the user may do, and each visible service."""

    state: ProductState
    mine: Decision
    price_line: str
    cells: tuple[Cell, ...]


def rows_of(
    access: AccountAccess, account: Account, services: list[Service]
) -> list[ProductRow]:
    """Return the table; a constant number of queries."""
    states = products_of(account, timezone.now())
    on: dict[str, frozenset[str]] = {service.pk: frozenset() for service in services}
    for state in states:
        for service in state.services:
            if service.pk in on:
                on[service.pk] |= {state.product.pk}
    configs = active_configs(services)
    enabling = access.decide(Permission.PRODUCT_ENABLE)
    configuring = access.decide(Permission.SERVICE_CONFIGURE)
    return [
        ProductRow(
            state,
            configuring if state.is_on else enabling,
            product_price_line(state),
            tuple(
                _cell(state, service, on[service.pk], configs.get(service.pk))
                for service in services
            ),
        )
        for state in states
    ]


def _cell(
    state: ProductState,
    service: Service,
    on: frozenset[str],
    config: VersionConfig | None,
) -> Cell:
    slug = state.product.pk
    if not state.product.per_service:
        return Cell(service, "on", "Always", "Included in every service.")
    if slug in on:
        return _switched_on(state, service)
    if not state.product.supports(service.type):
        return Cell(service, "off", "Not offered", type_refusal(state.product))
    if found := blocking_switch(config, on, with_=slug):
        return Cell(service, "stops", "Conflict", found[0].message)
    why = (
        "Not switched on for this service."
        if state.is_on
        else "Not enabled for the account."
    )
    return Cell(service, "off", "Off", why)


def _switched_on(state: ProductState, service: Service) -> Cell:
    if state.is_on:
        return Cell(service, "on", "On", "Switched on for this service.")
    why = "Switched on for this service, but not enabled for the account."
    return Cell(service, "stops", "Not enabled", why)


@login_required
@require_GET
def entitlements(request: HttpRequest) -> HttpResponse:
    """Show each member what can be used, and why or why not."""
    actor = actor_of(request)
    account = account_of(actor)
    services = list(services_of(actor).annotate(newest_number=Max("versions__number")))
    access = load_access(actor, account.pk)
    context = {
        "rows": rows_of(access, account, services),
        "services": services,
        "superusers": superusers_of(account),
        "may_read_costs": access.decide(Permission.BILLING_READ).allowed,
        "portal_url": request.build_absolute_uri("/").rstrip("/"),
    }
    return render(request, "products/entitlements.html", context)
