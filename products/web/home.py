"""The first page: who you are here, what is in use, what needs attention, what happened last."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from accounts.audit.models import AuditEvent
from accounts.audit.queries import Filters, trail_of
from accounts.audit.vocabulary import Event
from accounts.authentication import actor_of
from accounts.models import Account
from accounts.policy import decide
from accounts.queries import account_of
from accounts.roles import Permission
from products.compatibility.findings import Severity
from products.compatibility.rules import all_findings
from products.enablement.models import ProductRequest
from products.enablement.queries import products_of
from products.services.describe import version_config
from products.services.models import Service
from products.services.queries import latest_versions, services_of

LATEST_EVENTS = 5
REQUESTS_SHOWN = 5
# What a role lets one do, as a person would say it.
ROLE_WORDS = {
    "superuser": "you can enable products, manage people, deploy services and read every bill.",
    "engineer": "you can deploy services; you cannot enable products.",
    "billing": "you can see costs and invoices; you cannot deploy services or enable products.",
    "user": "you can see what this account uses; you cannot deploy services or enable products.",
}


@dataclass(frozen=True, slots=True)
class AttentionItem:
    """A service whose newest version could not be deployed, and why."""

    service: Service
    version: int
    sentence: str


def attention_of(
    services: Sequence[Service], using: Iterable[Service]
) -> list[AttentionItem]:
    """Return the services whose newest version breaks a rule, of those `using` WebSockets.

    Seven queries, whatever the number of services.
    """
    found = []
    versions = latest_versions(using)
    for service in services:
        if service.pk not in versions:
            continue
        version = versions[service.pk]
        problems = all_findings(version_config(version), frozenset({"websockets"}))
        blocking = [p.message for p in problems if p.severity is Severity.BLOCKS]
        if blocking:
            found.append(AttentionItem(service, version.number, blocking[0]))
    return found


def requests_of(account: Account) -> list[ProductRequest]:
    """Return the newest requests for products that are still off."""
    on = account.enablements.filter(ends_at=None).values_list("product_id", flat=True)
    rows = ProductRequest.objects.filter(account=account).exclude(product_id__in=on)
    return list(
        rows.select_related("product").order_by("-requested_at")[:REQUESTS_SHOWN]
    )


@login_required
@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """Show the account at a glance."""
    actor = actor_of(request)
    account = account_of(actor)
    may_audit = decide(actor, Permission.AUDIT_READ, account).allowed
    may_enable = decide(actor, Permission.PRODUCT_ENABLE, account).allowed
    events: tuple[tuple[AuditEvent, str], ...] = ()
    if may_audit:
        page = trail_of(account.pk, filters=Filters(), limit=LATEST_EVENTS)
        events = tuple(
            (event, Event(event.action).description) for event in page.events
        )
    states = products_of(account, timezone.now())
    services = list(services_of(actor))
    using = next((s.services for s in states if s.product.pk == "websockets"), ())
    context = {
        "role_words": ROLE_WORDS,
        "in_use": [state for state in states if state.is_on],
        "services": services,
        "attention": attention_of(services, using),
        "requests": requests_of(account) if may_enable else [],
        "events": events,
        "may_audit": may_audit,
    }
    return render(request, "products/home.html", context)
