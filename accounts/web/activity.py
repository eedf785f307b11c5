"""The account's audit trail for its superusers: filtered, paged, verified."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from http import HTTPStatus
from itertools import groupby
from typing import Any, Final

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_GET, require_POST

from accounts import queries
from accounts.actor import Actor
from accounts.audit.entry_body import commitments
from accounts.audit.models import AuditEvent
from accounts.audit.names import Names, names_in
from accounts.audit.queries import (
    Filters,
    counts_by_day,
    event_of,
    personal_data_in,
    personal_data_of,
    repeats_of,
    trail_of,
    verify,
)
from accounts.audit.sentences import (
    actor_of_entry,
    labelled_changes,
    person_of_entry,
    sentence_of,
)
from accounts.authentication import actor_of
from accounts.errors import NotFound
from accounts.lists import page_of
from accounts.models import Account
from accounts.policy import require
from accounts.roles import Permission
from accounts.trail_form import INTERFACES
from accounts.user_agents import browser_of
from accounts.web.activity_filters import ActivityFilterForm

# The page shows the last verification for a day.
VERIFICATION_SECONDS: Final = 24 * 3600
# Filters that are often wanted: their title and query.
VIEWS: Final = (
    ("Everything", ""),
    ("Products", "action=product.enabled"),
    ("Deployments", "action=version.activated"),
    ("Roles", "action=member.role_changed"),
    ("Sign-ins", "action=user.logged_in"),
    ("Refused", "outcome=refused"),
    ("Tollgate staff", "actor=staff"),
)


@require_GET
@login_required
def activity(request: HttpRequest) -> HttpResponse:
    """List the entries grouped by day, newest first unless the reader chose otherwise."""
    actor, account = _reader(request)
    form = ActivityFilterForm(
        request.GET,
        account_id=account.pk,
        actor=actor,
    )
    context: dict[str, Any] = {
        "form": form,
        "views": _views(request),
        "verification": cache.get(_cache_key(account)),
        "page": None,
        "days": [],
    }
    if not form.is_valid():
        return render(
            request, "accounts/activity.html", context, status=HTTPStatus.BAD_REQUEST
        )
    filters = form.filters()
    entries = trail_of(account.pk, filters)
    is_oldest_first = form.chosen("sort") == "old"
    order = "sequence" if is_oldest_first else "-sequence"
    page = page_of(request, entries, order=(order,), key="sequence")
    context |= {
        "page": page,
        "newest_first": not is_oldest_first,
        "days": _days(account, filters, page.rows),
        "zone": timezone.get_current_timezone_name(),
        "link": f"{settings.PORTAL_URL}{request.get_full_path()}",
    }
    return render(request, "accounts/activity.html", context)


@require_GET
@login_required
def activity_entry(request: HttpRequest, sequence: int) -> HttpResponse:
    """Show one entry in full, with its personal data that is not erased."""
    _, account = _reader(request)
    event = event_of(account.pk, sequence)
    if event is None:
        raise NotFound("Entry not found.")
    personal = personal_data_of(event)
    context = {
        "entry": entry_context(event, names_in([event]), personal),
        "repeats": repeats_of(event),
    }
    return render(request, "accounts/activity_entry.html", context)


@require_POST
@login_required
def verify_activity(request: HttpRequest) -> HttpResponse:
    """Verify the account's chain from its first entry, and store the result for the page."""
    _, account = _reader(request)
    result = asdict(verify(account.pk)) | {"at": timezone.now()}
    cache.set(_cache_key(account), result, VERIFICATION_SECONDS)
    return HttpResponseRedirect(reverse("activity"))


def entry_context(
    event: AuditEvent, names: Names, personal: Mapping[str, str]
) -> dict[str, Any]:
    """Return an entry as the page shows it, with its personal data that is not erased."""
    body = event.body
    auth = body.get("auth")
    authentication: Mapping[str, Any] = auth if isinstance(auth, dict) else {}
    return {
        "event": event,
        "day": timezone.localdate(event.at),
        "where": INTERFACES.get(event.interface, event.interface),
        "service": names.services.get(event.service_id, event.service_id),
        "changes": labelled_changes(event, names),
        "reason": body.get("reason"),
        "on_behalf_of": body.get("on_behalf_of"),
        "agreed_text_hash": body.get("agreed_text_hash"),
        "sentence": sentence_of(event, names),
        "actor": actor_of_entry(event),
        "person": person_of_entry(event),
        "product": names.products.get(event.product, event.product),
        "from": _from(personal) or _missing(event, "ip", "user_agent"),
        "program": personal.get("user_agent") or _missing(event, "user_agent"),
        "email": personal.get("email") or _missing(event, "email"),
        "method": authentication.get("method"),
        "confirmed_at": parse_datetime(authentication.get("reauth_at") or ""),
        "prev_hash": event.prev_hash,
        "number": str(event.sequence),
    }


def _reader(request: HttpRequest) -> tuple[Actor, Account]:
    actor = actor_of(request)
    account = queries.account_of(actor)
    require(actor, Permission.AUDIT_READ, account)
    return actor, account


def _days(
    account: Account, filters: Filters, events: Sequence[AuditEvent]
) -> list[dict[str, Any]]:
    """Return the entries of a page by day, each with the number of all that match on that day."""
    names, personal = names_in(events), personal_data_in(events)
    entries = [
        entry_context(event, names, personal.get(event.sequence, {}))
        for event in events
    ]
    counts = counts_by_day(
        account.pk,
        filters,
        {entry["day"] for entry in entries},
        timezone.get_current_timezone(),
    )
    return [
        {"day": day, "entries": list(group), "count": counts.get(day, 0)}
        for day, group in groupby(entries, key=lambda entry: entry["day"])
    ]


def _views(request: HttpRequest) -> list[dict[str, Any]]:
    """Return links to filters that are often wanted."""
    chosen = request.GET.urlencode()
    return [
        {
            "title": title,
            "url": f"{reverse('activity')}{'?' if query else ''}{query}",
            "current": query == chosen,
        }
        for title, query in VIEWS
    ]


def _from(personal: Mapping[str, str]) -> str:
    """Return where someone acted from: 203.0.113.24, Firefox on Linux."""
    program = personal.get("user_agent")
    known = (personal.get("ip"), browser_of(program) if program else "")
    return ", ".join(each for each in known if each)


def _missing(event: AuditEvent, *kinds: str) -> str:
    """Say why an entry has no such personal data: it was erased, or the entry never had it."""
    return "deleted" if commitments(event.body).keys() & set(kinds) else "not recorded"


def _cache_key(account: Account) -> str:
    return f"verification:{account.pk}"
