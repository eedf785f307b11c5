"""Services: the list, one service with its versions, and its switch for WebSockets (R4)."""

import re

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.actor import Actor
from accounts.authentication import actor_of
from accounts.errors import Conflict, Invalid
from accounts.policy import decide, members_with
from accounts.queries import account_of
from accounts.roles import Permission
from products.catalogue.queries import product as find_product
from products.deploy.queries import history
from products.enablement.commands import disable_for_service, enable_for_service
from products.enablement.queries import current, requested_today, switch_of
from products.services.commands.services import (
    create_service,
    delete_service,
    update_service,
)
from products.services.models import Service
from products.services.queries import (
    active_version,
    compare,
    get_service,
    get_version,
    services_of,
    versions_of,
)
from products.web.enable_review import superusers_of
from products.web.feedback import success_with_audit_link
from products.web.live import live_of_service

SLUG = "websockets"
VERSIONS_SHOWN = 20
NUMBER = re.compile("[0-9]{1,6}")


class ServiceForm(forms.Form):
    """A service's name and comment."""

    name = forms.CharField(label="Name", max_length=120)
    comment = forms.CharField(label="Comment", max_length=500, required=False)


def add_refusal(form: forms.Form, refused: Conflict | Invalid) -> None:
    """Show a refusal at its field, or above the form where it is about none."""
    field = refused.field if isinstance(refused, Invalid) else ""
    form.add_error(field if field in form.fields else None, refused.message)


@login_required
@require_http_methods(["GET", "POST"])
def services(request: HttpRequest) -> HttpResponse:
    """List the services that one may see; make a new one."""
    actor = actor_of(request)
    account = account_of(actor)
    creating = decide(actor, Permission.SERVICE_CREATE, account)
    form = ServiceForm(request.POST if request.method == "POST" else None)
    status = 200
    if request.method == "POST":
        status = 400
        if form.is_valid():
            try:
                made = create_service(
                    actor,
                    account=account,
                    name=form.cleaned_data["name"],
                    comment=form.cleaned_data["comment"],
                    now=timezone.now(),
                )
            except (Conflict, Invalid) as refused:
                add_refusal(form, refused)
            else:
                success_with_audit_link(
                    request,
                    actor,
                    f"Service {made.name} is created, with an empty draft.",
                    service=made.pk,
                )
                return redirect("version", service_id=made.pk, number=1)
    rows = list(services_of(actor).prefetch_related("products", "live_domains"))
    context = {
        "services": [(row, _is_on(row)) for row in rows],
        "form": form,
        "creating": creating,
    }
    return render(request, "products/services.html", context, status=status)


def _is_on(service: Service) -> bool:
    return any(
        p.product_id == SLUG and p.ends_at is None for p in service.products.all()
    )


@login_required
@require_http_methods(["GET", "POST"])
def service(request: HttpRequest, service_id: str) -> HttpResponse:
    """Show a service; POST renames it."""
    actor = actor_of(request)
    found = get_service(actor, service_id)
    form = ServiceForm(
        request.POST if request.method == "POST" else None,
        initial={"name": found.name, "comment": found.comment},
    )
    status = 200
    if request.method == "POST":
        status = 400
        if form.is_valid():
            try:
                update_service(
                    actor,
                    service=found,
                    name=form.cleaned_data["name"],
                    comment=form.cleaned_data["comment"],
                    now=timezone.now(),
                )
            except (Conflict, Invalid) as refused:
                add_refusal(form, refused)
            else:
                messages.success(request, "Saved.")
                return redirect("service", service_id=found.pk)
    return render(
        request,
        "products/service.html",
        _service_context(actor, found, form),
        status=status,
    )


def _service_context(
    actor: Actor, found: Service, form: ServiceForm
) -> dict[str, object]:
    account = account_of(actor)
    versions = list(versions_of(found).reverse()[:VERSIONS_SHOWN])
    return {
        "service": found,
        "versions": versions,
        "live": active_version(found),
        "domains": [domain.name for domain in found.live_domains.order_by("name")],
        "switch": switch_of(found, SLUG),
        "enablement": current(account.pk, SLUG),
        "configuring": decide(actor, Permission.SERVICE_CONFIGURE, found),
        "comparing": decide(actor, Permission.SERVICE_COMPARE, found),
        "configurers": [
            str(m.user)
            for m in members_with(Permission.SERVICE_CONFIGURE, account.pk, found.pk)
        ],
        "superusers": superusers_of(account),
        "may_enable": decide(actor, Permission.PRODUCT_ENABLE, account).allowed,
        "asked": SLUG in requested_today(account, actor.user_id, timezone.now()),
        "history": list(history(found)[:10]),
        "figures": live_of_service(actor, found, timezone.now()),
        "form": form,
    }


@login_required
@require_POST
def switch_websockets(request: HttpRequest, service_id: str) -> HttpResponse:
    """Switch WebSockets on or off for the service: at once, on every version (R4)."""
    actor = actor_of(request)
    found = get_service(actor, service_id)
    product = find_product(SLUG)
    now = timezone.now()
    try:
        if request.POST.get("to") == "on":
            enable_for_service(actor, service=found, product=product, now=now)
            success_with_audit_link(
                request,
                actor,
                f"WebSockets is on for {found.name}, on every version, the active one included. "
                "Who may configure and deploy this service can use it.",
                service=found.pk,
            )
        else:
            disable_for_service(actor, service=found, product=product, now=now)
            success_with_audit_link(
                request,
                actor,
                f"WebSockets is off for {found.name}. New connections are refused; open ones are "
                "closed within a minute.",
                service=found.pk,
            )
    except Conflict as refused:
        for sentence in refused.details or (refused.message,):
            messages.error(request, sentence)
    return redirect("service", service_id=found.pk)


@login_required
@require_http_methods(["GET", "POST"])
def remove_service(request: HttpRequest, service_id: str) -> HttpResponse:
    """Ask once more, then delete a service that has nothing live."""
    actor = actor_of(request)
    found = get_service(actor, service_id)
    context: dict[str, object] = {
        "service": found,
        "live": active_version(found),
        "configuring": decide(actor, Permission.SERVICE_CONFIGURE, found),
    }
    if request.method == "POST":
        try:
            delete_service(actor, service=found, now=timezone.now())
        except Conflict as refused:
            context["problem"] = refused.message
            return render(request, "products/service_delete.html", context, status=409)
        success_with_audit_link(
            request, actor, f"Service {found.name} is deleted.", service=found.pk
        )
        return redirect("services")
    return render(request, "products/service_delete.html", context)


@login_required
@require_GET
def compare_versions(request: HttpRequest, service_id: str) -> HttpResponse:
    """Show what differs from one version to another."""
    actor = actor_of(request)
    found = get_service(actor, service_id)
    deciding = decide(actor, Permission.SERVICE_COMPARE, found)
    numbers = [request.GET.get(name, "") for name in ("from", "to")]
    context: dict[str, object] = {
        "service": found,
        "versions": list(versions_of(found).reverse()),
        "comparing": deciding,
    }
    if deciding.allowed and all(NUMBER.fullmatch(number) for number in numbers):
        old, new = (get_version(actor, found.pk, int(number)) for number in numbers)
        context |= {"old": old, "new": new, "differences": compare(old, new)}
    return render(request, "products/compare.html", context)
