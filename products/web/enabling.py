"""Enable and disable a product for the account: one page each, reviewed before it is done."""

from dataclasses import dataclass

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import get_language
from django.views.decorators.http import require_http_methods

from accounts.actor import Actor
from accounts.authentication import actor_of
from accounts.errors import Forbidden, Invalid, RefusalError
from accounts.models import Account
from accounts.policy import decide, members_with, require
from accounts.queries import account_of, grants_in
from accounts.roles import AccessLevel, Permission, Role
from accounts.step_up import kept_input, step_up
from products.catalogue.models import Product
from products.catalogue.queries import product as find_product
from products.compatibility.problem import Problem, Severity
from products.compatibility.rules import check
from products.enablement.commands import Agreement, disable, enable
from products.enablement.commands.account import PriceChanged
from products.enablement.queries import ProductState, agreement_text, state_of
from products.services.describe import describe
from products.services.models import Service
from products.services.queries import active_version, services_of
from products.web.forms import CalculatorForm, DisableForm, EnableForm
from products.web.ladders import estimated, rungs


@dataclass(frozen=True, slots=True)
class Able:
    """Somebody who will be able to use the product, and where."""

    name: str
    role: str
    services: str


@dataclass(frozen=True, slots=True)
class Conflicts:
    """What in a service's active version does not go with the product."""

    service: Service
    problems: tuple[Problem, ...]


def who_can_use(account: Account) -> list[Able]:
    """Return everybody who may switch the product on for some service, by role and name."""
    grants = grants_in(account.pk)
    able = []
    for member in members_with(Permission.SERVICE_CONFIGURE, account.pk):
        where = "All services"
        if member.limit_services and member.role != Role.SUPERUSER:
            full = [
                g for g in grants.get(member.user_id, ()) if g.level is AccessLevel.FULL
            ]
            where = ", ".join(grant.service.name for grant in full)
        if where:
            able.append(Able(str(member.user), member.role.capitalize(), where))
    return sorted(able, key=lambda person: (person.role != "Superuser", person.name))


def conflicts_of(actor: Actor, product: Product) -> list[Conflicts]:
    """Return, for each visible service with a live version, what stands against the product."""
    found = []
    for service in services_of(actor):
        live = active_version(service)
        if live is None or product.pk != "websockets":
            continue
        problems = check(describe(live), frozenset({product.pk}))
        blocking = tuple(p for p in problems if p.severity is Severity.BLOCKS)
        found.append(Conflicts(service, blocking))
    return found


def calculator_context(request: HttpRequest, state: ProductState) -> dict[str, object]:
    """Return the calculator's form and, when it was filled in, its answer."""
    if state.price is None or state.price.meter != "connection_time":
        return {}
    if "connections" not in request.GET:
        initial = {"connections": "1,500,000", "length": "260"}
        form = CalculatorForm(initial)
    else:
        form = CalculatorForm(request.GET)
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


@login_required
@require_http_methods(["GET", "POST"])
def enable_product(request: HttpRequest, slug: str) -> HttpResponse:
    """Review what enabling changes and costs; agree; do it (R3, R5)."""
    actor = actor_of(request)
    account = account_of(actor)
    product = find_product(slug)
    state = state_of(account, product, timezone.now())
    if not decide(actor, Permission.PRODUCT_ENABLE, account).allowed:
        return render(
            request,
            "products/enable_refused.html",
            {
                "product": product,
                "reason": decide(actor, Permission.PRODUCT_ENABLE, account).reason,
                "superusers": [
                    str(m.user)
                    for m in members_with(Permission.PRODUCT_ENABLE, account.pk)
                ],
            },
            status=403,
        )
    if (gate := step_up(request)) is not None:
        return gate
    form = EnableForm(request.POST if request.method == "POST" else kept_input(request))
    if request.method == "POST" and form.is_valid():
        done = _enable(request, actor, account, product, form)
        if done is not None:
            return done
        state = state_of(account, product, timezone.now())
    return _review_enable(request, actor, account, state, form)


def _enable(
    request: HttpRequest,
    actor: Actor,
    account: Account,
    product: Product,
    form: EnableForm,
) -> HttpResponse | None:
    try:
        enable(
            actor,
            account=account,
            product=product,
            agreement=Agreement(
                form.cleaned_data["agreed_text"], get_language() or "en"
            ),
            reason=form.cleaned_data["reason"],
            now=timezone.now(),
        )
    except PriceChanged as refused:
        form.add_error("agree", refused.message)
        return None
    except Invalid as refused:
        form.add_error(
            refused.field if refused.field in form.fields else None, refused.message
        )
        return None
    except Forbidden:
        raise
    except RefusalError as refused:
        form.add_error(None, refused.message)
        return None
    messages.success(
        request,
        format_html(
            "{} is enabled for {}. Any user on the account with the appropriate permissions can "
            'use it now; it changes your monthly bill. <a href="{}">See it in the trail</a>',
            product.name,
            account.name,
            f"{reverse('activity')}?product={product.pk}",
        ),
    )
    return redirect("product_enabled", slug=product.pk)


def _review_enable(
    request: HttpRequest,
    actor: Actor,
    account: Account,
    state: ProductState,
    form: EnableForm,
) -> HttpResponse:
    product = state.product
    text = agreement_text(account, product, state.price)
    able = who_can_use(account)
    context = {
        "state": state,
        "product": product,
        "form": form,
        "agreed_text": text,
        "able": able,
        "conflicts": conflicts_of(actor, product),
        "rungs": rungs(state.price) if state.price else (),
        "sold_here": product.bought == Product.Bought.DIRECT
        and state.price is not None,
    } | calculator_context(request, state)
    status = 409 if form.is_bound and request.method == "POST" else 200
    return render(request, "products/enable.html", context, status=status)


@login_required
@require_http_methods(["GET"])
def product_enabled(request: HttpRequest, slug: str) -> HttpResponse:
    """Say what is so now, and the next step."""
    actor = actor_of(request)
    account = account_of(actor)
    require(actor, Permission.PRODUCT_ENABLE, account)
    state = state_of(account, find_product(slug), timezone.now())
    if state.enablement is None:
        return redirect("products")
    context = {"state": state, "product": state.product, "services": services_of(actor)}
    return render(request, "products/enabled.html", context)


@login_required
@require_http_methods(["GET", "POST"])
def disable_product(request: HttpRequest, slug: str) -> HttpResponse:
    """Show first what stops, then switch it off (R19)."""
    actor = actor_of(request)
    account = account_of(actor)
    product = find_product(slug)
    require(actor, Permission.PRODUCT_ENABLE, account)
    if (gate := step_up(request)) is not None:
        return gate
    form = DisableForm(
        request.POST if request.method == "POST" else kept_input(request)
    )
    status = 200
    if request.method == "POST":
        status = 409
        if form.is_valid() and _disable(request, actor, account, product, form):
            return redirect("products")
    context = {
        "state": state_of(account, product, timezone.now()),
        "product": product,
        "form": form,
        "stops": [
            (service, active_version(service))
            for service in state_of(account, product, timezone.now()).services
        ],
    }
    return render(request, "products/disable.html", context, status=status)


def _disable(
    request: HttpRequest,
    actor: Actor,
    account: Account,
    product: Product,
    form: DisableForm,
) -> bool:
    try:
        disable(
            actor,
            account=account,
            product=product,
            closing=form.cleaned_data["closing"],
            reason=form.cleaned_data["reason"],
            now=timezone.now(),
        )
    except Forbidden:
        raise
    except RefusalError as refused:
        form.add_error(None, refused.message)
        return False
    messages.success(
        request,
        format_html(
            "{} is disabled for {}. New connections are refused now; what was used up to this "
            'moment will be billed. <a href="{}">See it in the trail</a>',
            product.name,
            account.name,
            f"{reverse('activity')}?product={product.pk}",
        ),
    )
    return True
