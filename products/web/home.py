"""The first page: your role, products in use, what needs attention, latest activity."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from accounts.audit.names import names_in
from accounts.audit.queries import trail_of
from accounts.audit.sentences import sentence_of
from accounts.authentication import actor_of
from accounts.models import Account
from accounts.policy import load_access
from accounts.queries import account_in
from accounts.roles import Permission
from products.billing.queries.running import visible_month
from products.compatibility.version_config import WEBSOCKETS
from products.enablement.queries import (
    products_of,
)
from products.services.models import Service
from products.services.queries import services_in
from products.web.attention import Viewer, attention_of, first_steps
from products.web.recent_usage import month_so_far

LATEST_EVENTS = 5
SERVICES_SHOWN = 10
ATTENTION_SHOWN = 20
# What each role can do; follows "Your role is".
ROLE_WORDS = {
    "superuser": "you can enable products, manage members, deploy services and see all bills.",
    "engineer": "you can deploy services; you can't enable products.",
    "billing": "you can see costs and invoices; you can't deploy services or enable products.",
    "user": "you can view services and usage, but not deploy or enable products.",
}


def latest_activity(account: Account) -> list[dict[str, object]]:
    """Return the newest entries of the trail with their sentences."""
    events = list(trail_of(account.pk)[:LATEST_EVENTS])
    names = names_in(events)
    return [{"at": event.at, "sentence": sentence_of(event, names)} for event in events]


@login_required
@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """Show an overview of the account."""
    actor = actor_of(request)
    access = load_access(actor, actor.account_id)
    account = account_in(access)
    may_audit = access.decide(Permission.AUDIT_READ).allowed
    events = latest_activity(account) if may_audit else []
    now = timezone.now()
    states = products_of(account, now)
    services = list(services_in(access))
    viewer = Viewer(access, account, states, {each.pk: each for each in services}, now)
    attention = attention_of(viewer)
    running = visible_month(access, account, now)
    bill = running.bill if running is not None else None
    is_metered = any(state.product.pk == WEBSOCKETS and state.is_on for state in states)
    month = None
    if is_metered and access.decide(Permission.STATS_READ).allowed:
        # The usage of a deleted service counts.
        ids = Service.objects.visible_in(access).values_list("pk", flat=True)
        month = month_so_far(account, list(ids), now, running)
    context = {
        "month": month,
        "role_words": ROLE_WORDS,
        "in_use": [state for state in states if state.is_on],
        "services": services[:SERVICES_SHOWN],
        "service_count": len(services),
        "attention": attention[:ATTENTION_SHOWN],
        "more_attention": len(attention[ATTENTION_SHOWN:]),
        "steps": first_steps(viewer),
        "events": events,
        "may_audit": may_audit,
        "bill": bill if bill is not None and bill.has_something else None,
    }
    return render(request, "products/home.html", context)
