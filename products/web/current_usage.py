"""The current usage of an account or a service: a fragment of pages that refreshes itself."""

from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from accounts.actor import Actor
from accounts.authentication import actor_of
from accounts.policy import require
from accounts.queries import account_of
from accounts.roles import Permission
from products.metering.queries import ActivityTotals, CurrentUsage, current_usage
from products.services.models import Service
from products.services.queries import get_service


@dataclass(frozen=True, slots=True)
class CurrentUsagePanel:
    """The current usage of some services, and the address that the fragment refreshes from."""

    usage: CurrentUsage
    address: str
    services: tuple[tuple[Service, ActivityTotals], ...]


def account_usage(actor: Actor, now: datetime) -> CurrentUsagePanel:
    """Return the current usage of all services that the actor may see. Raises Forbidden.

    The sums include services that are deleted now, as the bill does. Only existing services are
    listed.
    """
    account = account_of(actor)
    require(actor, Permission.STATS_READ, account)
    services = Service.objects.visible_to(actor).order_by("name", "pk")
    usage = current_usage(
        [service.pk for service in services], zone=account.billing_zone, now=now
    )
    totals = usage.by_service
    each = tuple(
        (service, totals.get(service.pk, ActivityTotals()))
        for service in services
        if service.deleted_at is None
    )
    return CurrentUsagePanel(usage, reverse("live"), each)


def service_usage(actor: Actor, service: Service, now: datetime) -> CurrentUsagePanel:
    """Return the current usage of one service. Raises Forbidden."""
    require(actor, Permission.STATS_READ, service)
    usage = current_usage([service.pk], zone=service.account.billing_zone, now=now)
    address = reverse("live_service", args=[service.pk])
    return CurrentUsagePanel(usage, address, ())


@require_GET
@login_required
def live_account(request: HttpRequest) -> HttpResponse:
    """Render the fragment for the account."""
    panel = account_usage(actor_of(request), timezone.now())
    return render(request, "products/_current_usage.html", {"panel": panel})


@require_GET
@login_required
def live_service(request: HttpRequest, service_id: str) -> HttpResponse:
    """Render the fragment for one service."""
    actor = actor_of(request)
    panel = service_usage(actor, get_service(actor, service_id), timezone.now())
    return render(request, "products/_current_usage.html", {"panel": panel})
