"""What is open now and was used today, as a part of pages that refreshes itself."""

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
    """The live figures of some services, with the address that gives them anew."""

    figures: CurrentUsage
    address: str
    services: tuple[tuple[Service, ActivityTotals], ...]


def live_of_account(actor: Actor, now: datetime) -> CurrentUsagePanel:
    """Return the figures of all services that the actor may see. Raises Forbidden.

    The sums hold what services used that are deleted now, as the bill does; only those that are
    there are named.
    """
    account = account_of(actor)
    require(actor, Permission.STATS_READ, account)
    services = Service.objects.visible_to(actor).order_by("name", "pk")
    figures = current_usage(
        [service.pk for service in services], zone=account.billing_zone, now=now
    )
    seen = figures.by_service
    each = tuple(
        (service, seen.get(service.pk, ActivityTotals()))
        for service in services
        if service.deleted_at is None
    )
    return CurrentUsagePanel(figures, reverse("live"), each)


def live_of_service(actor: Actor, service: Service, now: datetime) -> CurrentUsagePanel:
    """Return the figures of one service. Raises Forbidden."""
    require(actor, Permission.STATS_READ, service)
    figures = current_usage([service.pk], zone=service.account.billing_zone, now=now)
    address = reverse("live_service", args=[service.pk])
    return CurrentUsagePanel(figures, address, ())


@require_GET
@login_required
def live_account(request: HttpRequest) -> HttpResponse:
    """Answer the part for the account."""
    found = live_of_account(actor_of(request), timezone.now())
    return render(request, "products/_current_usage.html", {"live": found})


@require_GET
@login_required
def live_service(request: HttpRequest, service_id: str) -> HttpResponse:
    """Answer the part for one service."""
    actor = actor_of(request)
    found = live_of_service(actor, get_service(actor, service_id), timezone.now())
    return render(request, "products/_current_usage.html", {"live": found})
