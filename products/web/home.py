"""The first page: your role, products in use, what needs attention, latest activity."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from accounts.audit.names import names_in
from accounts.audit.queries import Filters, trail_of
from accounts.audit.sentences import sentence_of
from accounts.authentication import actor_of
from accounts.models import Account
from accounts.policy import load_access
from accounts.queries import account_of
from accounts.roles import Permission
from products.compatibility.findings import blockers
from products.compatibility.rules import all_findings
from products.enablement.models import ProductRequest
from products.enablement.queries import (
    open_requests,
    products_of,
    products_on_by_service,
)
from products.services.describe import version_configs
from products.services.models import Service
from products.services.queries import latest_versions, services_of

LATEST_EVENTS = 5
REQUESTS_SHOWN = 5
# What each role can do; follows "Your role is".
ROLE_WORDS = {
    "superuser": "you can enable products, manage members, deploy services and see all bills.",
    "engineer": "you can deploy services; you cannot enable products.",
    "billing": "you can see costs and invoices; you cannot deploy services or enable products.",
    "user": "you can view services and usage, but not deploy or enable products.",
}


@dataclass(frozen=True, slots=True)
class AttentionItem:
    """A service whose newest version cannot be deployed, and why."""

    service: Service
    version: int
    sentence: str


def attention_of(
    services: Sequence[Service], using: Iterable[Service]
) -> list[AttentionItem]:
    """Return the services whose newest version breaks a rule, of those `using` WebSockets.

    Three queries for any number of services.
    """
    versions = latest_versions(using)
    configs = version_configs(versions.values())
    products = products_on_by_service(versions)
    found = []
    for service in services:
        version = versions.get(service.pk)
        if version is None:
            continue
        blocking = blockers(
            all_findings(configs[version.pk], products.get(service.pk, frozenset()))
        )
        if blocking:
            found.append(AttentionItem(service, version.number, blocking[0].message))
    return found


def requests_of(account: Account) -> list[ProductRequest]:
    """Return the newest open requests for products."""
    return list(open_requests(account)[:REQUESTS_SHOWN])


def latest_activity(account: Account) -> list[dict[str, object]]:
    """Return the newest entries of the trail with their sentences."""
    events = trail_of(account.pk, filters=Filters(), limit=LATEST_EVENTS).events
    names = names_in(events)
    return [{"at": event.at, "sentence": sentence_of(event, names)} for event in events]


@login_required
@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """Show an overview of the account."""
    actor = actor_of(request)
    account = account_of(actor)
    access = load_access(actor, account.pk)
    may_audit = access.decide(Permission.AUDIT_READ).allowed
    may_enable = access.decide(Permission.PRODUCT_ENABLE).allowed
    events = latest_activity(account) if may_audit else []
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
