"""The Products page, and asking for what one may not enable."""

from dataclasses import dataclass

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from accounts.actor import Actor
from accounts.authentication import actor_of
from accounts.errors import Conflict
from accounts.models import Account
from accounts.policy import decide
from accounts.queries import account_of
from accounts.roles import Permission
from products.catalogue.models import Product
from products.catalogue.queries import product as find_product
from products.enablement.commands import request_product
from products.enablement.models import Enablement
from products.enablement.queries import ProductState, products_of, requested_today
from products.web.enable_review import superusers_of
from products.web.feedback import success_with_audit_link
from products.web.forms import RequestForm
from products.web.live import live_of_account
from products.web.price_display import from_price

FILTERS = (("all", "All"), ("on", "In use"), ("available", "Available"))


@dataclass(frozen=True, slots=True)
class Card:
    """A product as the page shows it to one person."""

    state: ProductState
    price_line: str
    can_enable: bool
    can_disable: bool
    superusers: tuple[str, ...]
    asked: bool
    may_read_costs: bool

    @property
    def product(self) -> Product:
        """Return the product itself."""
        return self.state.product

    @property
    def is_direct(self) -> bool:
        """Tell whether it is bought on this page."""
        return self.product.purchase_mode == Product.PurchaseMode.DIRECT

    @property
    def in_package(self) -> bool:
        """Tell whether it came with a package."""
        held = self.state.enablement
        return held is not None and held.source == Enablement.Source.PACKAGE


def cards_of(actor: Actor, account: Account) -> list[Card]:
    """Return every product on sale as this person sees it; a constant number of queries."""
    now = timezone.now()
    may_enable = decide(actor, Permission.PRODUCT_ENABLE, account).allowed
    may_read_costs = decide(actor, Permission.BILLING_READ, account).allowed
    superusers = tuple(superusers_of(account))
    asked = requested_today(account, actor.user_id, now)
    return [
        Card(
            state=state,
            price_line=_price_line(state),
            can_enable=may_enable
            and not state.is_on
            and state.product.purchase_mode == "direct",
            can_disable=may_enable
            and state.enablement is not None
            and state.enablement.source == Enablement.Source.DIRECT,
            superusers=superusers,
            asked=state.product.pk in asked,
            may_read_costs=may_read_costs,
        )
        for state in products_of(account, now)
    ]


def _price_line(state: ProductState) -> str:
    price = state.price
    if state.product.pk == "websockets" and price is not None:
        return (
            f"From {from_price(price):.2f} {price.currency} per million connection minutes, plus "
            "bandwidth, which is part of your delivery bandwidth."
        )
    if state.product.purchase_mode == Product.PurchaseMode.ALWAYS and price is not None:
        return f"{from_price(price):.2f} {price.currency} per {price.unit_name} to begin with."
    return (
        "Price on request."
        if state.product.purchase_mode == Product.PurchaseMode.SALES
        else ""
    )


@login_required
@require_GET
def products(request: HttpRequest) -> HttpResponse:
    """Show what the account can use, what it costs, and who can change that."""
    actor = actor_of(request)
    account = account_of(actor)
    cards = cards_of(actor, account)
    chosen = request.GET.get("show", "all")
    shown = {
        "on": [card for card in cards if card.state.is_on],
        "available": [card for card in cards if not card.state.is_on],
    }
    counts = {"all": len(cards)} | {key: len(value) for key, value in shown.items()}
    context = {
        "cards": shown.get(chosen, cards),
        "filters": [
            {"key": key, "label": label, "count": counts[key], "current": key == chosen}
            for key, label in FILTERS
        ],
        "may_enable": decide(actor, Permission.PRODUCT_ENABLE, account).allowed,
        "request_form": RequestForm(),
        "sales_email": settings.SALES_EMAIL,
        "figures": live_of_account(actor, timezone.now()),
    }
    return render(request, "products/products.html", context)


@login_required
@require_POST
def request_access(request: HttpRequest, slug: str) -> HttpResponse:
    """Ask for a product (R17): one mail, one entry in the trail, at most once a day."""
    actor = actor_of(request)
    account = account_of(actor)
    product = find_product(slug)
    form = RequestForm(request.POST)
    if not form.is_valid():
        messages.error(request, "What for? At most 500 characters.")
        return redirect("products")
    try:
        request_product(
            actor,
            account=account,
            product=product,
            sales_email=settings.SALES_EMAIL,
            note=form.cleaned_data["note"],
            now=timezone.now(),
        )
    except Conflict as refused:
        messages.info(request, refused.message)
        return redirect("products")
    whom = (
        "The account's superusers"
        if product.purchase_mode == Product.PurchaseMode.DIRECT
        else "Your account manager"
    )
    success_with_audit_link(
        request,
        actor,
        f"You have asked for {product.name}. {whom} will get one mail.",
        product=product.pk,
    )
    return redirect("products")
