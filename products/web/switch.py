"""The switches of products on a service, on every version of it (R4)."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.views.decorators.http import require_http_methods, require_POST

from accounts.authentication import actor_of
from accounts.errors import Conflict
from accounts.feedback import success_with_audit_link
from accounts.form_errors import form_status
from accounts.policy import members_with, require
from accounts.return_page import safe_next
from accounts.roles import Permission
from products.catalogue.queries import product as find_product
from products.compatibility.version_config import WEBSOCKETS
from products.enablement.commands import disable_for_service, enable_for_service
from products.enablement.commands.service import Incompatible
from products.enablement.queries import switch_of
from products.services.models import Version
from products.services.queries import active_version, domains_of, get_service
from products.web.current_usage import service_usage
from products.web.finding_links import shown_conflicts
from products.web.forms import DRAIN_SECONDS, ConfirmForm


@login_required
@require_POST
def switch_on(request: HttpRequest, service_id: str) -> HttpResponse:
    """Switch WebSockets on for the service; every conflict is shown."""
    return _switch_on(request, service_id, WEBSOCKETS)


@login_required
@require_POST
def product_on(request: HttpRequest, service_id: str, slug: str) -> HttpResponse:
    """Switch a product of the catalogue on for the service; every conflict is shown."""
    return _switch_on(request, service_id, slug)


@login_required
@require_http_methods(["GET", "POST"])
def product_off(request: HttpRequest, service_id: str, slug: str) -> HttpResponse:
    """Show what stops; POST switches a product of the catalogue off for the service."""
    if slug == WEBSOCKETS:
        return switch_off(request, service_id)
    actor = actor_of(request)
    found = get_service(actor, service_id)
    require(actor, Permission.SERVICE_CONFIGURE, found)
    product = find_product(slug)
    if switch_of(found, slug) is None:
        messages.info(request, f"{product.name} is already off for {found.name}.")
        return redirect("service", service_id=found.pk)
    if request.method == "POST":
        disable_for_service(actor, service=found, product=product, now=timezone.now())
        success_with_audit_link(
            request, actor, f"{product.name} is off for {found.name}.", service=found.pk
        )
        return redirect("service", service_id=found.pk)
    context = {"service": found, "product": product}
    return render(request, "products/product_off.html", context)


def _switch_on(request: HttpRequest, service_id: str, slug: str) -> HttpResponse:
    actor = actor_of(request)
    found = get_service(actor, service_id)
    product = find_product(slug)
    try:
        enable_for_service(actor, service=found, product=product, now=timezone.now())
        success_with_audit_link(
            request,
            actor,
            f"{product.name} is on for {found.name}, on every version, the active one included. "
            "Anyone who can configure and deploy this service can now use it.",
            service=found.pk,
        )
    except Conflict as refused:
        messages.error(request, f"{product.name} was not switched on for {found.name}.")
        for sentence in _reasons(refused, active_version(found)):
            messages.error(request, sentence)
    return redirect(safe_next(request, reverse("service", args=[found.pk])))


def _reasons(refused: Conflict, version: Version | None) -> list[str]:
    """Return the reasons of a refusal, each with a link to the field of the version that it is about."""
    if not isinstance(refused, Incompatible):
        return list(refused.details or (refused.message,))
    return [
        format_html(
            '{} {} <a href="{}">{}</a>', each.message, each.remedy, each.url, each.label
        )
        if each.url
        else f"{each.message} {each.remedy}"
        for each in shown_conflicts(refused.findings, version)
    ]


@login_required
@require_http_methods(["GET", "POST"])
def switch_off(request: HttpRequest, service_id: str) -> HttpResponse:
    """Show what stops working; POST switches WebSockets off for the service."""
    actor = actor_of(request)
    found = get_service(actor, service_id)
    require(actor, Permission.SERVICE_CONFIGURE, found)
    now = timezone.now()
    if switch_of(found, WEBSOCKETS) is None:
        messages.info(request, f"WebSockets is already off for {found.name}.")
        return redirect("service", service_id=found.pk)
    panel = service_usage(actor, found, now)
    form = ConfirmForm(
        request.POST if request.method == "POST" else None,
        must_type=found.name if panel.usage.may_be_open else "",
    )
    if form.is_valid():
        product = find_product(WEBSOCKETS)
        disable_for_service(actor, service=found, product=product, now=now)
        success_with_audit_link(
            request,
            actor,
            f"WebSockets is off for {found.name}. New connections are refused. Open connections "
            f"close within {DRAIN_SECONDS} seconds.",
            service=found.pk,
        )
        return redirect("service", service_id=found.pk)
    context = {
        "service": found,
        "active": active_version(found),
        "domains": domains_of(found),
        "configurers": [
            str(member.user)
            for member in members_with(
                Permission.SERVICE_CONFIGURE, found.account_id, found.pk
            )
        ],
        "usage_panel": panel,
        "drain_seconds": DRAIN_SECONDS,
        "form": form,
    }
    status = form_status(form)
    return render(request, "products/switch_off.html", context, status=status)
