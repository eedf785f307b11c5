"""What the account can use, and what a person can do, on one service too, with the reasons."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.text import capfirst
from django.views.decorators.http import require_GET

from accounts.actor import Actor, Context
from accounts.authentication import actor_of
from accounts.lists import MAX_SEARCH_LENGTH
from accounts.models import Account, Membership
from accounts.policy import AccountAccess, AnswerCode, Decision, load_access, require
from accounts.queries import (
    ServiceName,
    account_of,
    find_services,
    matching_members,
    member_of,
    members_of,
)
from accounts.roles import ABILITIES, LEVELS_FOR, Permission, Role
from products.compatibility.rules import blocking_switch
from products.compatibility.version_config import VersionConfig
from products.enablement.queries import (
    ProductState,
    products_of,
    products_on_by_service,
)
from products.enablement.refusals import type_refusal
from products.enablement.review import superusers_of
from products.services.models import Service
from products.services.queries import active_configs, get_service, versions_of
from products.web.price_display import product_price_line

FOUND_SHOWN: Final = 10
# What a member can be asked about; permissions of staff and of tokens are not among it.
ASKED: Final = (
    Permission.SERVICE_READ,
    Permission.SERVICE_CONFIGURE,
    Permission.SERVICE_DEPLOY,
    Permission.SERVICE_PURGE,
    Permission.SERVICE_VCL,
    Permission.SERVICE_CREATE,
    Permission.DOMAIN_CLAIM,
    Permission.PRODUCT_REQUEST,
    Permission.PRODUCT_ENABLE,
    Permission.STATS_READ,
    Permission.BILLING_READ,
    Permission.MEMBER_INVITE,
    Permission.MEMBER_INVITE_ENGINEERS,
    Permission.MEMBER_MANAGE,
    Permission.AUDIT_READ,
    Permission.WEBHOOK_MANAGE,
)


@dataclass(frozen=True, slots=True)
class Cell:
    """The state of a product on one service."""

    kind: str
    word: str
    reason: str


@dataclass(frozen=True, slots=True)
class Link:
    """A page where an answer is changed."""

    url: str
    label: str


@dataclass(frozen=True, slots=True)
class ProductRow:
    """One product: the account's state, what the person may do, and the chosen service.

    `changes_block` and `changes_mine` lead to where a block and a refusal end, if there is such a
    page.
    """

    state: ProductState
    mine: Decision
    may_request: bool
    price_line: str
    cell: Cell | None
    changes_block: Link | None
    changes_mine: Link | None

    @property
    def is_folded(self) -> bool:
        """Tell whether it is listed behind the others: sales sells it, and it is used nowhere."""
        is_sold = self.state.is_on or self.state.product.is_sold_directly
        return not (is_sold or (self.cell and self.cell.kind == "stops"))


@dataclass(frozen=True, slots=True)
class AbilityRow:
    """One ability of the person, and where it is changed."""

    ability: str
    decision: Decision
    changes: Link | None


def rows_of(
    access: AccountAccess,
    account: Account,
    person: Membership | None,
    service: Service | None,
    *,
    sees_costs: bool,
) -> list[ProductRow]:
    """Return the products; a constant number of queries."""
    enabling = access.decide(Permission.PRODUCT_ENABLE)
    may_request = access.decide(Permission.PRODUCT_REQUEST).allowed
    configuring = access.decide(
        Permission.SERVICE_CONFIGURE, service.pk if service else None
    )
    chosen = [service] if service else []
    on = products_on_by_service(each.pk for each in chosen)
    configs = active_configs(chosen)
    return [
        ProductRow(
            state,
            configuring if state.is_on else enabling,
            may_request and not state.is_on,
            product_price_line(state),
            _cell(
                state,
                service,
                on.get(service.pk, frozenset()),
                configs.get(service.pk),
            )
            if service
            else None,
            _changes_block(state, sees_costs=sees_costs),
            _changes_answer(configuring if state.is_on else enabling, person),
        )
        for state in products_of(account, timezone.now())
    ]


def _changes_block(state: ProductState, *, sees_costs: bool) -> Link | None:
    """Return where new connections of a product are accepted again; None if it is not blocked."""
    if state.block is None:
        return None
    if not state.is_over_budget:
        return Link(f"{reverse('products')}#{state.product.pk}", "Open Products")
    if sees_costs:
        return Link(f"{reverse('billing')}#budget", "Open the budget")
    return _superusers()


def _superusers() -> Link:
    query = urlencode({"role": Role.SUPERUSER})
    return Link(f"{reverse('members')}?{query}", "Ask a superuser")


def _changes_answer(decision: Decision, person: Membership | None) -> Link | None:
    """Return where a superuser changes an answer; None if it depends on no role or access."""
    changeable = {AnswerCode.ROLE, AnswerCode.SERVICE_ACCESS}
    if decision.allowed or decision.code not in changeable:
        return None
    if person is None:
        return _superusers()
    if decision.code is AnswerCode.ROLE:
        return Link(reverse("member", args=[person.pk]), "Change the role")
    url = reverse("member_access", args=[person.pk])
    return Link(url, "Change the access to services")


def _cell(
    state: ProductState,
    service: Service,
    on: frozenset[str],
    config: VersionConfig | None,
) -> Cell:
    slug = state.product.pk
    if not state.product.per_service:
        return Cell("on", "Always", "Included in every service.")
    if slug in on:
        return _switched_on(state)
    if not state.product.supports(service.type):
        return Cell("off", "Not offered", type_refusal(state.product))
    if found := blocking_switch(config, on, with_=slug):
        return Cell("stops", "Conflict", found[0].message)
    why = (
        "Not switched on for this service."
        if state.is_on
        else "Not enabled for the account."
    )
    return Cell("off", "Off", why)


def _switched_on(state: ProductState) -> Cell:
    if state.is_on:
        return Cell("on", "On", "Switched on for this service.")
    why = "Switched on for this service, but not enabled for the account."
    return Cell("stops", "Not enabled", why)


def abilities_of(
    access: AccountAccess, person: Membership | None, service: Service | None
) -> list[AbilityRow]:
    """Return what the person can do; a permission that depends on the service is asked on it."""
    asked = {
        permission: access.decide(
            permission, service.pk if service and permission in LEVELS_FOR else None
        )
        for permission in ASKED
    }
    return [
        AbilityRow(
            capfirst(ABILITIES[permission]), decision, _changes_answer(decision, person)
        )
        for permission, decision in asked.items()
    ]


@login_required
@require_GET
def entitlements(request: HttpRequest) -> HttpResponse:
    """Show each member what can be used, and why or why not; a superuser asks for any member."""
    actor = actor_of(request)
    account = account_of(actor)
    own = load_access(actor, account.pk)
    person = _person(request, actor, account)
    access = (
        own
        if person is None
        else load_access(acting_as(person, actor.context), account.pk)
    )
    count, services = find_services(actor, _typed(request, "find"), FOUND_SHOWN)
    service = _service(request, actor, services)
    newest = versions_of(service).last() if service else None
    sees_costs = own.decide(Permission.BILLING_READ).allowed
    rows = rows_of(access, account, person, service, sees_costs=sees_costs)
    context = {
        "rows": [row for row in rows if not row.is_folded],
        "folded": [row for row in rows if row.is_folded],
        "abilities": abilities_of(access, person, service),
        "person": person,
        "people": _people(request, actor, account),
        "may_ask": own.decide(Permission.MEMBER_MANAGE).allowed,
        "service": service,
        "services": services,
        "service_count": count,
        "newest_number": newest.number if newest else None,
        "typed": {name: _typed(request, name) for name in ("find", "who")},
        "superusers": superusers_of(account),
        "sales_email": settings.SALES_EMAIL,
        "may_read_costs": sees_costs,
    }
    return render(request, "products/entitlements.html", context)


def _typed(request: HttpRequest, name: str) -> str:
    return request.GET.get(name, "").strip()[:MAX_SEARCH_LENGTH]


def _person(request: HttpRequest, actor: Actor, account: Account) -> Membership | None:
    """Return the member who is asked about; None for oneself. Raises Forbidden, NotFound."""
    chosen = _typed(request, "member")
    if not chosen:
        return None
    require(actor, Permission.MEMBER_MANAGE, account)
    return member_of(actor, account, chosen)


def _people(request: HttpRequest, actor: Actor, account: Account) -> list[Membership]:
    """Return the first members who match what a superuser searched for."""
    who = _typed(request, "who")
    if not who:
        return []
    require(actor, Permission.MEMBER_MANAGE, account)
    return list(matching_members(members_of(actor, account), who)[:FOUND_SHOWN])


def acting_as(person: Membership, context: Context) -> Actor:
    """Return a member as the one whose permissions are read; nothing is done in their name."""
    return Actor.user(
        user_id=person.user_id,
        label=str(person.user),
        email=person.user.email,
        account_id=person.account_id,
        context=context,
    )


def _service(
    request: HttpRequest, actor: Actor, found: Sequence[ServiceName]
) -> Service | None:
    """Return the service that is chosen, or the only one that was found."""
    chosen = _typed(request, "service")
    if chosen:
        return get_service(actor, chosen)
    return get_service(actor, found[0].id) if len(found) == 1 else None
