"""One search over what the user may see: services, domains, people, tokens, invoices and more."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET

from accounts import queries
from accounts.actor import Actor
from accounts.audit.names import names_in
from accounts.audit.queries import entries_with_id
from accounts.audit.sentences import sentence_of
from accounts.authentication import actor_of
from accounts.date_formats import minute_text
from accounts.lists import ListForm
from accounts.models import Account, ApiToken, Membership
from accounts.policy import AccountAccess, load_access
from accounts.roles import Permission
from products.billing.models import Invoice
from products.billing.queries.invoices import invoices_of
from products.domains.models import ActiveDomain, DomainClaim
from products.domains.queries import claims_of
from products.months import month_name
from products.services.models import Service
from products.services.queries import matching_services, services_of
from products.webhooks.models import Webhook
from products.webhooks.queries import webhooks_of

HITS_SHOWN: Final = 5  # of each kind


@dataclass(frozen=True, slots=True)
class Hit:
    """One thing that was found."""

    label: str
    url: str
    detail: str


@dataclass(frozen=True, slots=True)
class HitGroup:
    """What was found of one kind: the first hits, how many there are, and the page that has all."""

    title: str
    total: int
    hits: list[Hit]
    url: str


@login_required
@require_GET
def search(request: HttpRequest) -> HttpResponse:
    """Find things by a part of their name, or by their id."""
    actor = actor_of(request)
    account = queries.account_of(actor)
    form = ListForm(request.GET)
    text = form.chosen("q")
    groups = list(_groups(actor, account, text)) if text else []
    context = {
        "form": form,
        "text": text,
        "groups": [group for group in groups if group.total],
        "total": sum(group.total for group in groups),
    }
    return render(request, "products/search.html", context)


def _groups(actor: Actor, account: Account, text: str) -> Iterable[HitGroup]:
    """Return what each kind has, of the kinds that the actor may read."""
    access = load_access(actor, account.pk)
    if _may(access, Permission.SERVICE_READ):
        services = services_of(actor)
        yield _group(
            "Services", matching_services(services, text), _service, "services", text
        )
        names = ActiveDomain.objects.filter(
            service__in=services.order_by().values("pk"), name__icontains=text
        )
        active = names.select_related("service").order_by("name")
        yield _group("Active domains", active, _active_domain, "services", text)
    if _may(access, Permission.DOMAIN_READ):
        claims = claims_of(actor, account).filter(Q(name__icontains=text) | Q(pk=text))
        yield _group("Domain claims", claims, _claim, "domains", text)
    if _may(access, Permission.MEMBER_READ):
        people = queries.matching_members(queries.members_of(actor, account), text)
        yield _group("Members", people, _member, "members", text)
    tokens = queries.tokens_of(actor) | queries.tokens_of_others(actor)
    found = queries.matching_tokens(tokens, text)
    yield _group("API tokens", found, _token, "tokens", text)
    if _may(access, Permission.WEBHOOK_READ):
        webhooks = webhooks_of(actor).filter(Q(url__icontains=text) | Q(pk=text))
        yield _group("Webhooks", webhooks, _webhook, "webhooks", text)
    if _may(access, Permission.BILLING_READ):
        invoices = invoices_of(actor, account, search=text)
        yield _group("Invoices", invoices, _invoice, "billing", text)
    if _may(access, Permission.AUDIT_READ):
        yield _entries(account, text)


def _may(access: AccountAccess, permission: Permission) -> bool:
    return access.decide(permission).allowed


def _group(
    title: str,
    rows: "QuerySet[Any]",
    hit: Callable[[Any], Hit],
    page: str,
    text: str,
) -> HitGroup:
    return HitGroup(
        title=title,
        total=rows.count(),
        hits=[hit(row) for row in rows[:HITS_SHOWN]],
        url=f"{reverse(page)}?{urlencode({'q': text})}",
    )


def _entries(account: Account, text: str) -> HitGroup:
    """Return the entries of the trail with this number or request ID."""
    found = entries_with_id(account.pk, text)
    shown = list(found[:HITS_SHOWN])
    names = names_in(shown)
    return HitGroup(
        title="Entries in Activity",
        total=found.count() if len(shown) == HITS_SHOWN else len(shown),
        hits=[
            Hit(
                str(sentence_of(row, names)),
                reverse("activity_entry", args=[row.sequence]),
                f"#{row.sequence}, {minute_text(row.at)}",
            )
            for row in shown
        ],
        url=f"{reverse('activity')}?{urlencode({'q': text})}",
    )


def _service(row: Service) -> Hit:
    return Hit(row.name, reverse("service", args=[row.pk]), row.comment)


def _active_domain(row: ActiveDomain) -> Hit:
    url = reverse("service", args=[row.service_id])
    return Hit(row.name, url, f"of {row.service.name}")


def _claim(row: DomainClaim) -> Hit:
    return Hit(row.name, reverse("domain", args=[row.pk]), row.get_state_display())


def _member(row: Membership) -> Hit:
    url = reverse("member", args=[row.pk])
    return Hit(str(row.user), url, f"{row.user.email}, {row.role}")


def _token(row: ApiToken) -> Hit:
    url = f"{reverse('tokens')}?{urlencode({'q': row.pk})}"
    return Hit(row.name, url, f"of {row.user}")


def _invoice(row: Invoice) -> Hit:
    key = row.number or row.month
    label = f"{month_name(row.month)}, {row.number or 'no number yet'}"
    return Hit(label, reverse("invoice", args=[key]), row.get_status_display())


def _webhook(row: Webhook) -> Hit:
    return Hit(row.url, reverse("webhook", args=[row.pk]), "")
