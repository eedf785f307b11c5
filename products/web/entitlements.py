"""What the account can use, and what I can do with it: product by product, with the reasons."""

from dataclasses import dataclass
from decimal import Decimal

from django.contrib.auth.decorators import login_required
from django.db.models import Max
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from accounts.actor import Actor
from accounts.authentication import actor_of
from accounts.models import Account
from accounts.policy import Decision, decide, load_access
from accounts.queries import account_of
from accounts.roles import Permission
from products.compatibility.rules import product_conflicts
from products.enablement.queries import ProductState, products_of
from products.services.models import Service
from products.services.queries import services_of
from products.web.enable_review import superusers_of
from products.web.price_display import from_price


@dataclass(frozen=True, slots=True)
class Cell:
    """What a product is on one service."""

    service: Service
    kind: str
    word: str
    reason: str


@dataclass(frozen=True, slots=True)
class ProductRow:
    """One product: the account's state, what I may, and each service I can see."""

    state: ProductState
    mine: Decision
    first_price: Decimal | None
    cells: tuple[Cell, ...]


def rows_of(
    actor: Actor, account: Account, services: list[Service]
) -> list[ProductRow]:
    """Return the table; a constant number of queries."""
    states = products_of(account, timezone.now())
    on: dict[str, frozenset[str]] = {service.pk: frozenset() for service in services}
    for state in states:
        for service in state.services:
            if service.pk in on:
                on[service.pk] |= {state.product.pk}
    access = load_access(actor, account.pk)
    enabling = access.decide(Permission.PRODUCT_ENABLE)
    configuring = access.decide(Permission.SERVICE_CONFIGURE)
    return [
        ProductRow(
            state,
            configuring if state.is_on else enabling,
            from_price(state.price) if state.price else None,
            tuple(_cell(state, service, on[service.pk]) for service in services),
        )
        for state in states
    ]


def _cell(state: ProductState, service: Service, on: frozenset[str]) -> Cell:
    slug = state.product.pk
    if not state.product.per_service:
        return Cell(service, "on", "Always", "It is part of every service.")
    if slug in on:
        return _switched_on(state, service)
    conflicts = product_conflicts(on | {slug})
    if conflicts:
        return Cell(service, "stops", "Does not go", conflicts[0].message)
    why = "Nobody has switched it on for this service."
    return Cell(
        service, "off", "Off", why if state.is_on else "The account does not have it."
    )


def _switched_on(state: ProductState, service: Service) -> Cell:
    if state.is_on:
        return Cell(service, "on", "On", "Switched on for this service.")
    why = "Switched on here, but off for the account: it waits."
    return Cell(service, "stops", "Stopped", why)


@login_required
@require_GET
def entitlements(request: HttpRequest) -> HttpResponse:
    """Show everybody what may be used, and why or why not."""
    actor = actor_of(request)
    account = account_of(actor)
    services = list(services_of(actor).annotate(newest_number=Max("versions__number")))
    context = {
        "rows": rows_of(actor, account, services),
        "services": services,
        "superusers": superusers_of(account),
        "may_read_costs": decide(actor, Permission.BILLING_READ, account).allowed,
        "portal_url": request.build_absolute_uri("/").rstrip("/"),
    }
    return render(request, "products/entitlements.html", context)
