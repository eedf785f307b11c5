"""The Products page, and requests for products."""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from accounts.authentication import actor_of
from accounts.feedback import success_with_audit_link
from accounts.form_errors import form_errors
from accounts.models import Account
from accounts.policy import AccountAccess, load_access
from accounts.queries import account_in, account_of
from accounts.return_page import safe_next
from accounts.roles import Permission
from products.billing.queries.bills import RunningMonth
from products.billing.queries.running import Cost, product_costs, visible_month
from products.calendars import calendar_of
from products.catalogue.models import Product
from products.catalogue.money import Money
from products.catalogue.queries import product as find_product
from products.compatibility.version_config import WEBSOCKETS
from products.enablement.commands import request_product
from products.enablement.models import Enablement
from products.enablement.queries import (
    OwnRequest,
    ProductState,
    own_requests,
    products_of,
    shown_trial_minutes,
)
from products.enablement.refusals import disable_refusal
from products.enablement.review import superusers_of
from products.services.models import Service
from products.web.current_usage import account_usage
from products.web.forms import RequestForm
from products.web.price_display import (
    PriceChange,
    is_public,
    price_change,
    product_price_line,
)
from products.web.recent_usage import recent_usage

SERVICES_SHOWN = 3  # of those that use one product
FILTERS = (("all", "All"), ("on", "In use"), ("available", "Available"))


@dataclass(frozen=True, slots=True)
class Card:
    """A product as the page shows it to one user."""

    state: ProductState
    price_line: str
    can_enable: bool
    can_disable: bool
    superusers: tuple[str, ...]
    requested: OwnRequest | None  # by this user
    can_try: bool = False
    trial_used: int | None = None  # minutes of the trial
    sees_costs: bool = False
    price_change: PriceChange | None = None  # that was announced
    cost: str = ""  # of this month so far; "" for those who see no costs

    @property
    def product(self) -> Product:
        """Return the product."""
        return self.state.product

    @property
    def services(self) -> tuple[Service, ...]:
        """Return the first services that use it."""
        return self.state.services[:SERVICES_SHOWN]

    @property
    def more_services(self) -> int:
        """Return how many more services use it."""
        return len(self.state.services) - len(self.services)

    @property
    def is_on_request(self) -> bool:
        """Tell whether the account can get it from sales only."""
        return not (self.state.is_on or self.product.is_sold_directly)

    @property
    def is_folded(self) -> bool:
        """Tell whether it is listed behind the others: it is on request, and was not requested."""
        return self.is_on_request and self.requested is None

    @property
    def has_agreement(self) -> bool:
        """Tell whether there is an agreement that this user may read."""
        enablement = self.state.enablement
        return self.sees_costs and bool(enablement and enablement.agreed_text_hash)

    @property
    def in_package(self) -> bool:
        """Tell whether the account has it from a package."""
        enablement = self.state.enablement
        return enablement is not None and enablement.source == Enablement.Source.PACKAGE


def cards_of(
    access: AccountAccess,
    account: Account,
    now: datetime,
    running: RunningMonth | None,
) -> list[Card]:
    """Return every product on sale as this user sees it; a constant number of queries."""
    may_enable = access.decide(Permission.PRODUCT_ENABLE).allowed
    superusers = tuple(superusers_of(account))
    requested = own_requests(account, access.actor.user_id, now)
    bill = running.bill if running is not None else None
    sees_costs = access.decide(Permission.BILLING_READ).allowed
    costs = product_costs(bill) if bill else {}
    nothing = str(Money(0, bill.terms.currency)) if bill else ""
    return [
        Card(
            state=state,
            price_line=product_price_line(state)
            if sees_costs or state.price is None or is_public(state.price)
            else "",
            price_change=change
            if (change := price_change(state)) and (sees_costs or change.is_public)
            else None,
            can_enable=may_enable
            and (not state.is_on or state.on_trial)
            and state.product.is_sold_directly,
            can_disable=may_enable
            and state.enablement is not None
            and disable_refusal(state.product, state.enablement) is None,
            can_try=may_enable and state.can_be_tried,
            trial_used=shown_trial_minutes(state.trial, calendar_of(account), now)
            if state.trial
            else None,
            superusers=superusers,
            requested=requested.get(state.product.pk),
            sees_costs=bill is not None,
            cost=_cost(costs.get(state.product.pk), nothing) if state.is_on else "",
        )
        for state in products_of(account, now)
    ]


def _cost(cost: Cost | None, nothing: str) -> str:
    return nothing if cost is None else cost.text


@login_required
@require_GET
def products(request: HttpRequest) -> HttpResponse:
    """Show what the account can use, what it costs, and who can change that."""
    actor = actor_of(request)
    access = load_access(actor, actor.account_id)
    account = account_in(access)
    now = timezone.now()
    running = visible_month(access, account, now)
    cards = cards_of(access, account, now, running)
    chosen = request.GET.get("show", "all")
    shown = {
        "on": [card for card in cards if card.state.is_on],
        "available": [card for card in cards if not card.state.is_on],
    }
    counts = {"all": len(cards)} | {key: len(value) for key, value in shown.items()}
    services = {each.pk: each for each in Service.objects.visible_in(access)}
    recent = None
    if any(card.product.pk == WEBSOCKETS for card in shown["on"]):
        recent = recent_usage(list(services), calendar_of(account), now, running)
    listed = shown.get(chosen, cards)
    context = {
        "cards": [card for card in listed if not card.is_folded],
        "folded": [card for card in listed if card.is_folded],
        "unfolds": chosen in shown,
        "has_example_prices": any(
            card.state.price is not None and card.state.price.is_example
            for card in listed
        ),
        "on_request": any(card.is_on_request for card in listed),
        "can_request": any(
            not (card.state.is_on or card.can_enable) for card in listed
        ),
        "filters": [
            {"key": key, "label": label, "count": counts[key], "current": key == chosen}
            for key, label in FILTERS
        ],
        "may_enable": access.decide(Permission.PRODUCT_ENABLE).allowed,
        "sales_email": settings.SALES_EMAIL,
        "usage_panel": account_usage(access, account, services, now, running),
        "recent": recent,
    }
    return render(request, "products/products.html", context)


@login_required
@require_POST
def request_access(request: HttpRequest, slug: str) -> HttpResponse:
    """Request a product (R17): one email and one entry, at most once per day."""
    actor = actor_of(request)
    account = account_of(actor)
    product = find_product(slug)
    form = RequestForm(request.POST)
    if form.is_valid():
        with form_errors(form):
            request_product(
                actor,
                account=account,
                product=product,
                note=form.cleaned_data["note"],
                now=timezone.now(),
            )
            whom = "" if product.is_sold_directly else " to your account manager"
            success_with_audit_link(
                request,
                actor,
                f"Request sent{whom}.",
                product=product.pk,
            )
    for problems in form.errors.values():
        for problem in problems:
            messages.error(request, str(problem))
    return redirect(safe_next(request, reverse("products")))
