"""The part of pages that shows open connections and usage of today; its numbers refresh themselves."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from accounts.actor import Actor
from accounts.authentication import actor_of
from accounts.models import Account
from accounts.policy import AccountAccess, load_access, require
from accounts.queries import account_in
from accounts.roles import Permission
from products.billing.queries.bills import RunningMonth
from products.calendars import calendar_of
from products.compatibility.version_config import WEBSOCKETS
from products.enablement.queries import services_with
from products.metering.queries import ActivityTotals, CurrentUsage, current_usage
from products.services.models import Service
from products.services.queries import get_service

TOP_SERVICES: Final = 5
TOP_EDGES: Final = 5


@dataclass(frozen=True, slots=True)
class CurrentUsagePanel:
    """The current usage of some services, and the address that its numbers refresh from.

    `services_on` is how many have WebSockets on; None for one service.
    """

    usage: CurrentUsage
    address: str
    services_on: int | None = None
    top: tuple[tuple[Service, ActivityTotals], ...] = ()

    @property
    def edges(self) -> list[tuple[str, ActivityTotals]]:
        """Return the edges with the most open connections."""
        return sorted(self.usage.by_edge.items(), key=_most_used)[:TOP_EDGES]


def account_usage(
    access: AccountAccess,
    account: Account,
    services: Mapping[str, Service],
    now: datetime,
    running: RunningMonth | None = None,
) -> CurrentUsagePanel:
    """Return the current usage of all services that the actor may see, by id. Raises Forbidden.

    The sums include services that are deleted now, as the bill does. Of the existing services that
    have WebSockets on, or were used today, the most used are listed. With `running`, the periods of
    its month are not read again.
    """
    access.require(Permission.STATS_READ)
    usage = current_usage(
        list(services),
        calendar=calendar_of(account),
        now=now,
        known=running.used if running is not None else None,
    )
    totals = usage.by_service
    on = set(services_with(account.pk, WEBSOCKETS).values_list("pk", flat=True))
    listed = [
        (services[key], totals.get(key, ActivityTotals()))
        for key in services.keys() & (on | totals.keys())
        if services[key].deleted_at is None
    ]
    return CurrentUsagePanel(
        usage,
        reverse("live"),
        services_on=len(services.keys() & on),
        top=tuple(sorted(listed, key=_most_used)[:TOP_SERVICES]),
    )


def service_usage(actor: Actor, service: Service, now: datetime) -> CurrentUsagePanel:
    """Return the current usage of one service. Raises Forbidden."""
    require(actor, Permission.STATS_READ, service)
    usage = current_usage([service.pk], calendar=calendar_of(service.account), now=now)
    return CurrentUsagePanel(usage, reverse("live_service", args=[service.pk]))


def _most_used(row: tuple[object, ActivityTotals]) -> tuple[int, int, str]:
    name, totals = row
    return -totals.open, -totals.today.minutes, str(name)


@require_GET
@login_required
def live_account(request: HttpRequest) -> HttpResponse:
    """Render the numbers of the account."""
    actor = actor_of(request)
    access = load_access(actor, actor.account_id)
    services = {each.pk: each for each in Service.objects.visible_in(access)}
    panel = account_usage(access, account_in(access), services, timezone.now())
    return render(request, "products/_usage_numbers.html", {"panel": panel})


@require_GET
@login_required
def live_service(request: HttpRequest, service_id: str) -> HttpResponse:
    """Render the numbers of one service."""
    actor = actor_of(request)
    panel = service_usage(actor, get_service(actor, service_id), timezone.now())
    return render(request, "products/_usage_numbers.html", {"panel": panel})
