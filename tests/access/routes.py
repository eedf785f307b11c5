"""All routes of the portal, from Django's resolver, and how to request them."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.apps import apps
from django.conf import settings
from django.http import HttpResponseBase
from django.test import Client
from django.test.client import ClientHandler
from django.urls import URLPattern, URLResolver, get_resolver

from accounts.audit.models import AuditEvent
from accounts.commands.mail import invitation_key
from accounts.ids import derived_id
from products.catalogue.models import Plan
from products.enablement.models import Enablement, ProductRequest
from tests.factories.world import World

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
PEOPLE = (
    "anonymous",
    "user",
    "billing",
    "engineer",
    "outside",
    "inside",
    "superuser",
    "non_member",
    "staff",
)
THIRD_PARTY = ("admin/", "accounts/")
PARAMETER = re.compile(r"<(?:(?P<converter>\w+):)?(?P<name>\w+)>")
GROUP = re.compile(r"\(\?P<(?P<name>\w+)>[^)]*\)")
ADMIN_MODEL_PARTS = 5  # admin/<app>/<model>/<id>/…
# Parameters that name something of an account; for non-members it must look missing.
OF_AN_ACCOUNT = frozenset(
    {
        "authorization_id",
        "automation_id",
        "claim_id",
        "customer_id",
        "enablement_id",
        "event_id",
        "invitation_id",
        "invoice_id",
        "invoice_key",
        "login",
        "membership_id",
        "part_id",
        "request_id",
        "sequence",
        "service_id",
        "token_id",
        "user_id",
        "webhook_id",
    }
)


@dataclass(frozen=True, slots=True)
class Route:
    """A route of the resolver, and its view."""

    pattern: str
    view: Any

    @property
    def parameters(self) -> frozenset[str]:
        """Return the names of what changes in the address."""
        return frozenset(match["name"] for match in PARAMETER.finditer(self.pattern))

    @property
    def is_third_party(self) -> bool:
        """Tell whether the pages are Django's admin or allauth's."""
        return self.pattern.startswith(THIRD_PARTY)

    @property
    def is_api(self) -> bool:
        """Tell whether programs call here, with a key and not with a cookie."""
        return hasattr(self.view, "view_class") and "api" in self.view.__module__

    @property
    def spoken(self) -> tuple[str, ...]:
        """Return the methods that an API view answers; all of them for a page."""
        if not self.is_api:
            return METHODS
        view = self.view.view_class
        return tuple(method for method in METHODS if hasattr(view, method.lower()))


@cache
def all_routes() -> tuple[Route, ...]:
    """Return every route, in the order in which Django tries them."""
    return tuple(_walk(get_resolver().url_patterns, ""))


def _walk(patterns: list[Any], before: str) -> Iterator[Route]:
    for pattern in patterns:
        here = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern.url_patterns, here)
        elif isinstance(pattern, URLPattern):
            yield Route(here, pattern.callback)


def address(route: Route, world: World, given: Mapping[str, Any]) -> str:
    """Return a real address of a route: Acme's, unless `given` says otherwise."""
    values = samples(world) | {"object_id": _first_of(route)} | dict(given)
    # allauth and the admin have a few patterns in the old tongue, as regular expressions.
    plain = GROUP.sub(lambda match: str(values[match["name"]]), route.pattern)
    named = PARAMETER.sub(lambda match: str(values[match["name"]]), plain)
    return "/" + named.replace("^", "").replace("$", "")


def _first_of(route: Route) -> str:
    """Return the id of a row for an admin page."""
    parts = route.pattern.split("/")
    if parts[0] != "admin" or len(parts) < ADMIN_MODEL_PARTS or parts[1] == "r":
        return "1"
    row = apps.get_model(parts[1], parts[2]).objects.first()
    return str(row.pk) if row else "1"


@cache
def samples(world: World) -> dict[str, Any]:
    """Return the parameters of routes; ids are those of Acme."""
    event = AuditEvent.objects.filter(account_id=world.acme.pk).order_by("pk").first()
    inside = world.people["inside"].user_id
    return {
        "account_id": world.acme.pk,
        "after": 2,
        "app_label": "accounts",
        "automation_id": world.automation.pk,
        "authorization_id": derived_id(inside, world.shop.pk),
        "backend": "origin",
        "before": 1,
        "claim_id": world.claim.pk,
        "customer_id": world.acme.pk,
        "director": "tenant",
        "deed": "disable",
        "dispute_id": 1,
        "mark_id": 1,
        "content_type_id": 1,
        "enablement_id": Enablement.objects.values_list("pk", flat=True)[0],
        "environment": "staging",
        "event_id": event.pk if event else "",
        "field": "requests",
        "form": "pdf",
        "granularity": "daily",
        "limit": 5,
        "second": 0,
        "invitation_id": world.invitation.pk,
        "invoice_id": world.invoice.pk,
        "invoice_key": world.invoice.number,
        "login": world.person("user").email,
        "key": invitation_key(world.invitation),
        "kind": "header",
        "membership_id": world.membership.pk,
        "name": "tenant",
        "page": "roles",
        "pk": 1,
        "plan_id": Plan.objects.values_list("pk", flat=True)[0],
        "uidb36": "1",
        "url": "nowhere",
        "number": world.draft.number,
        "part_id": world.limiter.public_id,
        "sequence": 1,
        "proposal_id": "none",
        "request_id": ProductRequest.objects.get().pk,
        "service_id": world.shop.pk,
        "slug": "websockets",
        "token_id": world.token.pk,
        "user_id": world.membership.user_id,
        "webhook_id": world.webhook.pk,
    }


@cache
def _handler(*, csrf: bool) -> ClientHandler:
    """Return the handler of all clients; each would load the middleware itself."""
    return ClientHandler(enforce_csrf_checks=csrf)


def client_for(
    person: str, route: Route, world: World, *, csrf: bool = False
) -> Client:
    """Return a person's client: a token for the API, a session for pages.

    A person without a token calls the API with a session, which it must ignore.
    """
    client = Client(raise_request_exception=False)
    client.handler = _handler(csrf=csrf)
    if person == "anonymous":
        return client
    if route.is_api and person in world.keys:
        client.defaults["HTTP_FASTLY_KEY"] = world.keys[person]
        return client
    client.cookies[settings.SESSION_COOKIE_NAME] = world.sessions[person]
    return client


def send(
    client: Client, method: str, path: str, body: Mapping[str, Any] | None, *, api: bool
) -> HttpResponseBase:
    """Send a request: JSON to the API, a form to a page."""
    if method == "GET":
        return client.get(path)
    if api:
        return client.generic(method, path, _json(body), "application/json")
    if method == "POST":
        return client.post(path, dict(body or {}))
    return client.generic(method, path, b"", "application/x-www-form-urlencoded")


def _json(body: Mapping[str, Any] | None) -> bytes:
    return json.dumps(body or {}).encode()
