"""The body sent to each route, and what is done before, so that a permitted request succeeds."""

from collections.abc import Callable, Mapping
from typing import Any

from django.utils import timezone

from accounts.actor import Actor
from accounts.ids import derived_id
from accounts.models import Account, ApiToken
from accounts.sudo import start_sudo
from products.billing.commands.budgets import set_budget
from products.billing.models import Budget
from products.catalogue.money import Money
from products.catalogue.queries import direct_price, trial_plans
from products.deploy.commands import deactivate, stage
from products.enablement.agreements import text_hash, trial_terms
from products.enablement.commands import enable_for_service
from products.enablement.models import Enablement
from products.enablement.queries import services_hash
from tests.architecture.attempts import cancel, offer_trial
from tests.factories import NOW
from tests.factories.accounts import PASSWORD
from tests.factories.world import World, text_to_agree_to

Step = Callable[[World, Actor], Any]
Body = Callable[[World], Mapping[str, Any]]
SERVICE = "services/<str:service_id>/"
VERSION = f"{SERVICE}versions/<int:number>/"
API_SERVICE = "api/service/<str:service_id>"
API_VERSION = f"{API_SERVICE}/version/<int:number>"
ENABLED = "api/enabled-products/v1/<str:slug>/services/<str:service_id>"
ENABLED_BEFORE = "api/enabled-products/<str:slug>/services/<str:service_id>"
WEBHOOK = "api/v1/webhooks/<str:webhook_id>"
WEBHOOK_PAGE = "webhooks/<opaque:webhook_id>/"
ENTITLEMENT = "api/v1/entitlements/<str:slug>"
AUTHORIZATION = "api/service-authorizations/<str:authorization_id>"


def authorization(world: World) -> dict[str, Any]:
    """Return the body that gives Max, who is limited to another service, read access to the shop."""
    return {
        "data": {
            "type": "service_authorization",
            "attributes": {"permission": "read_only"},
            "relationships": {
                "user": {
                    "data": {"id": world.people["outside"].user_id, "type": "user"}
                },
                "service": {"data": {"id": world.shop.pk, "type": "service"}},
            },
        }
    }


def authorizations(world: World) -> dict[str, Any]:
    """Return the body of a bulk request about Lin's access to the shop."""
    key = derived_id(world.people["inside"].user_id, world.shop.pk)
    item = {"type": "service_authorization", "id": key}
    return {"data": [item | {"attributes": {"permission": "read_only"}}]}


def switch_on(world: World, sam: Actor) -> Any:
    """Switch WebSockets on for the shop."""
    return enable_for_service(
        sam, service=world.shop, product=world.websockets, now=NOW
    )


def switched_on(product_id: str) -> Step:
    """Return a step that switches a product on for the shop, without an entitlement."""
    return lambda world, sam: world.shop.products.create(
        product_id=product_id, starts_at=NOW, started_by="test"
    )


protect = switched_on("bot_management")


def limit_spending(world: World, sam: Actor) -> Any:
    """Set a budget."""
    return set_budget(
        sam,
        account=world.acme,
        amount=Money.of("50.00", "USD"),
        thresholds=[100],
        action=Budget.Action.NOTIFY,
        now=NOW,
    )


def limit_spending_and_prove(world: World, sam: Actor) -> Any:
    """Set a budget, and re-authenticate Sam's token."""
    limit_spending(world, sam)
    return prove(world, sam)


def stage_draft(world: World, sam: Actor) -> Any:
    """Stage the draft."""
    return stage(sam, version=world.draft, now=NOW)


def take_off(world: World, sam: Actor) -> Any:
    """Take the shop's live version off."""
    return deactivate(sam, version=world.live, now=NOW)


def agreement(world: World) -> dict[str, Any]:
    """Return what the enable page sends."""
    acme = Account.objects.get(pk=world.acme.pk)
    return {"agreed_text": text_to_agree_to(acme, world.websockets), "agree": "on"}


def trial_agreement(world: World) -> dict[str, Any]:
    """Return what the page that starts a trial sends."""
    acme = Account.objects.get(pk=world.acme.pk)
    plan = trial_plans(world.websockets.pk).get(world.websockets.pk)
    return {
        "agreed_text": trial_terms(acme, plan, now=NOW).text if plan else "x",
        "agree": "on",
    }


def agreement_by_hash(world: World) -> dict[str, Any]:
    """Return what a program sends to enable WebSockets."""
    acme = Account.objects.get(pk=world.acme.pk)
    price = direct_price(world.websockets.pk, NOW)
    text = text_to_agree_to(acme, world.websockets)
    return {
        "price_version": price.pk if price else "",
        "agreement_sha256": text_hash(text),
    }


def what_stops(world: World) -> dict[str, Any]:
    """Return what a program sends to disable WebSockets."""
    enablement = Enablement.objects.get(account=world.acme, product=world.websockets)
    return {"drain_mode": "drain", "seen": services_hash(enablement)}


def prove(world: World, sam: Actor) -> Any:
    """Re-authenticate Sam's token."""
    return start_sudo(
        sam.user_id,
        token_id=ApiToken.objects.get(user_id=sam.user_id).pk,
        now=timezone.now(),
    )


def offer_trial_and_prove(world: World, sam: Actor) -> Any:
    """Disable WebSockets, offer a trial of it, and let Sam re-authenticate for the API."""
    offer_trial(world, sam)
    return prove(world, sam)


def cancel_and_prove(world: World, sam: Actor) -> Any:
    """Disable WebSockets, and re-authenticate Sam's token."""
    cancel(world, sam)
    prove(world, sam)


# One address a line, as in a table.
# fmt: off
BODIES: dict[tuple[str, str], Body] = {
    ("switch/", "POST"): lambda w: {"account": w.acme.pk},
    ("theme/", "POST"): lambda w: {"theme": "dark"},
    ("notices/read/", "POST"): lambda w: {"notice": "all"},
    ("join/<str:key>/", "POST"): lambda w: {"name": "New", "password": "a quiet long password"},
    ("account/", "POST"): lambda w: {"name": "Acme Commerce"},
    ("account/time-zone/", "POST"): lambda w: {"time_zone": "Europe/Berlin"},
    ("account/security/", "POST"): lambda w: {"session_idle_seconds": "900"},
    ("account/notices/", "POST"): lambda w: {"topic": "prices"},
    ("profile/time-zone/", "POST"): lambda w: {"time_zone": "Europe/Berlin"},
    ("profile/date-format/", "POST"): lambda w: {"date_format": "iso"},
    ("notices/settings/", "POST"): lambda w: {"prices": "off"},
    ("profile/", "POST"): lambda w: {"name": "Another Name"},
    ("members/invite/", "POST"): lambda w: {"email": "x@example.com", "role": "user"},
    ("members/<opaque:membership_id>/", "POST"): lambda w: {"role": "billing"},
    ("members/<opaque:membership_id>/access/", "POST"): lambda w: {"limited": "yes", f"level_{w.shop.pk}": "full"},
    ("api-tokens/new/", "POST"): lambda w: {"name": "CI", "scope": "global", "expires_on": "2027-03-01"},
    ("api-tokens/automation/new/", "POST"): lambda w: {
        "name": "CI", "role": "user", "scope": "global", "expires_on": "2027-03-01"},
    ("api/automation-tokens", "POST"): lambda w: {"name": "CI", "role": "user"},
    ("products/<slug:slug>/enable/", "POST"): agreement,
    ("members/<opaque:membership_id>/offboard/<slug:deed>/", "POST"): lambda w: {"reason": "Left"},
    ("products/<slug:slug>/trial/", "POST"): trial_agreement,
    ("products/<slug:slug>/disable/", "POST"): lambda w: {"drain_mode": "drain"},
    ("products/<slug:slug>/request/", "POST"): lambda w: {"note": "Please"},
    ("requests/<int:request_id>/decline/", "POST"): lambda w: {"reason": "Not now"},
    ("billing/budget/", "POST"): lambda w: {"amount": "50", "thresholds": "50, 100", "action": "notify"},
    ("domains/", "POST"): lambda w: {"name": "acme.net"},
    ("api/v1/domain-claims", "POST"): lambda w: {"name": "acme.net"},
    ("services/", "POST"): lambda w: {"name": "chat"},
    (SERVICE, "POST"): lambda w: {"name": "store"},
    (f"{SERVICE}versions/new/", "POST"): lambda w: {"from": "1"},
    (VERSION, "POST"): lambda w: {"comment": "Mine"},
    (f"{VERSION}<part_kind:kind>/preview/", "POST"): lambda w: {"name": "tenant"},
    (f"{VERSION}parts/", "POST"): lambda w: {"part": "domain:new", "new-domain-name": "new.acme.net"},
    (f"{VERSION}<part_kind:kind>/add/", "POST"): lambda w: {
        "name": "new", "action": "set", "type": "request", "dst": "http.X-New", "src": '"1"', "priority": "100"},
    (f"{VERSION}<part_kind:kind>/edit/<path:name>/", "POST"): lambda w: {
        "name": "tenant", "action": "set", "type": "request", "dst": "http.X-Tenant", "src": '"2"', "priority": "100"},
    ("api/tokens", "POST"): lambda w: {"username": w.person("user").email, "password": PASSWORD, "name": "CI"},
    ("api/sudo", "POST"): lambda w: {"username": w.person("user").email, "password": PASSWORD},
    ("api/service", "POST"): lambda w: {"name": "chat"},
    (API_SERVICE, "PUT"): lambda w: {"name": "store"},
    (API_VERSION, "PUT"): lambda w: {"comment": "Mine"},
    (f"{API_VERSION}/<listed_kind:kind>", "POST"): lambda w: {
        "name": "new", "action": "set", "type": "request", "dst": "http.X-New", "src": '"1"'},
    (f"{ENABLED}/configuration", "PATCH"): lambda w: {"contentguard": "on"},
    (f"{ENABLED_BEFORE}/configuration", "PATCH"): lambda w: {"contentguard": "on"},
    ("webhooks/new/", "POST"): lambda w: {"url": "https://example.com/new"},
    (WEBHOOK_PAGE, "POST"): lambda w: {"url": "https://example.com/new"},
    (f"{WEBHOOK_PAGE}replay/", "POST"): lambda w: {"after": 0},
    ("api/v1/budget", "PUT"): lambda w: {"amount": "50.00", "thresholds": [50, 100]},
    ("api/v1/webhooks", "POST"): lambda w: {"url": "https://example.com/new"},
    (WEBHOOK, "PATCH"): lambda w: {"url": "https://example.com/new"},
    (f"{WEBHOOK}/rotate", "POST"): lambda w: {"overlap_hours": 1},
    (f"{WEBHOOK_PAGE}rotate/", "POST"): lambda w: {"overlap_hours": 1},
    (f"{WEBHOOK}/replay", "POST"): lambda w: {"after": 0},
    (f"{ENTITLEMENT}/enable", "POST"): agreement_by_hash,
    (f"{ENTITLEMENT}/disable", "POST"): what_stops,
    (f"{ENTITLEMENT}/trial", "POST"): lambda w: {"agreement_sha256": text_hash(trial_agreement(w)["agreed_text"])},
    (f"{API_VERSION}/settings", "PUT"): lambda w: {"general.default_ttl": 60},
    (f"{API_VERSION}/<named_kind:kind>/<path:name>", "PUT"): lambda w: {"src": '"2"'},
    (f"{API_VERSION}/image_optimizer_default_settings", "PATCH"): lambda w: {"webp": True},
    ("api/<unversioned_kind:kind>/<str:part_id>", "PUT"): lambda w: {"rps_limit": 50},
    (f"{API_SERVICE}/acl/<str:part_id>/entries", "PATCH"): lambda w: {"entries": [{"op": "delete", "id": "tenant"}]},
    (f"{API_SERVICE}/acl/<str:part_id>/entry", "POST"): lambda w: {"ip": "192.0.2.9"},
    (f"{API_SERVICE}/acl/<str:part_id>/entry/<path:name>", "PATCH"): lambda w: {"negated": 1},
    (f"{API_SERVICE}/acl/<str:part_id>/entry/<path:name>", "PUT"): lambda w: {"negated": 1},
    (f"{API_SERVICE}/dictionary/<str:part_id>/items", "PATCH"): lambda w: {"items": [{"op": "delete", "item_key": "tenant"}]},
    (f"{API_SERVICE}/dictionary/<str:part_id>/item", "POST"): lambda w: {"item_key": "new", "item_value": "b"},
    (f"{API_SERVICE}/dictionary/<str:part_id>/item/<path:name>", "PATCH"): lambda w: {"item_value": "b"},
    (f"{API_SERVICE}/dictionary/<str:part_id>/item/<path:name>", "PUT"): lambda w: {"item_value": "b"},
    (f"{API_SERVICE}/pool/<str:part_id>/server", "POST"): lambda w: {"address": "new.example.com"},
    (f"{API_SERVICE}/pool/<str:part_id>/server/<path:name>", "PUT"): lambda w: {"weight": 50},
    (f"{API_SERVICE}/pool/<str:part_id>/server/<path:name>", "PATCH"): lambda w: {"weight": 50},
    (f"{API_SERVICE}/snippet/<str:part_id>", "PUT"): lambda w: {"content": "# b"},
    ("api/service-authorizations", "POST"): authorization,
    ("api/service-authorizations", "PATCH"): authorizations,
    ("api/service-authorizations", "DELETE"): authorizations,
    ("api/tokens", "DELETE"): lambda w: {"data": [{"type": "token", "id": w.token.pk}]},
    ("api/user", "POST"): lambda w: {"login": "x@example.com", "name": "X", "role": "user"},
    ("api/user/<str:user_id>", "PUT"): lambda w: {"role": "billing"},
    ("api/customer/<str:customer_id>", "PUT"): lambda w: {"name": "Acme Ltd"},
    ("api/invitations", "POST"): lambda w: {
        "data": {"type": "invitation", "attributes": {"email": "x@example.com", "role": "user"}}},
    (AUTHORIZATION, "PATCH"): authorization,
}
# What was done before, by Sam; also where it is not Acme's usual state that is asked for.
GIVEN: dict[tuple[str, str], Step] = {
    (f"{API_VERSION}/deactivate/<str:environment>", "PUT"): stage_draft,
    ("products/<slug:slug>/enable/", "GET"): cancel,
    ("products/<slug:slug>/enable/", "POST"): cancel,
    ("products/<slug:slug>/trial/", "GET"): offer_trial,
    ("products/<slug:slug>/trial/", "POST"): offer_trial,
    (f"{SERVICE}websockets/off/", "GET"): switch_on,
    (f"{SERVICE}websockets/off/", "POST"): switch_on,
    (f"{SERVICE}delete/", "GET"): take_off,
    (f"{SERVICE}delete/", "POST"): take_off,
    (API_SERVICE, "DELETE"): take_off,
    ("api/v1/budget", "PUT"): prove,
    ("api/v1/budget", "DELETE"): limit_spending_and_prove,
    ("billing/budget/remove/", "POST"): limit_spending,
    (f"{SERVICE}products/<slug:slug>/off/", "POST"): switched_on("ngwaf"),
    ("api/automation-tokens", "POST"): prove,
    ("api/v1/webhooks", "POST"): prove,
    (f"{WEBHOOK}/rotate", "POST"): prove,
    (WEBHOOK, "PATCH"): prove,
    (WEBHOOK, "DELETE"): prove,
    (f"{ENTITLEMENT}/preview", "POST"): cancel,
    (f"{ENTITLEMENT}/enable", "POST"): cancel_and_prove,
    (f"{ENTITLEMENT}/disable", "POST"): prove,
    (f"{ENTITLEMENT}/trial/preview", "POST"): offer_trial,
    (f"{ENTITLEMENT}/trial", "POST"): offer_trial_and_prove,
    (f"{ENABLED}/configuration", "GET"): protect,
    (f"{ENABLED}/configuration", "PATCH"): protect,
    (f"{ENABLED_BEFORE}/configuration", "GET"): protect,
    (f"{ENABLED_BEFORE}/configuration", "PATCH"): protect,
    (ENABLED, "GET"): switch_on,
    (ENABLED, "DELETE"): switch_on,
    (ENABLED_BEFORE, "GET"): switch_on,
    (ENABLED_BEFORE, "DELETE"): switch_on,
}
# Parameters of routes that differ from `samples`.
NAMES: dict[str, Mapping[str, Any]] = {
    "products/<slug:slug>/request/": {"slug": "ngwaf"},
    "api/v1/entitlements/<str:slug>/request": {"slug": "ngwaf"},
    f"{SERVICE}products/<slug:slug>/off/": {"slug": "ngwaf"},
    f"{ENABLED}/configuration": {"slug": "bot_management"},
    f"{ENABLED_BEFORE}/configuration": {"slug": "bot_management"},
    f"{VERSION}deactivate/": {"number": 1},
    f"{API_VERSION}/deactivate": {"number": 1},
    "api/<unversioned_kind:kind>/<str:part_id>": {"kind": "rate-limiters"},
    f"{API_VERSION}/domain/<str:name>/check": {"name": "shop.example.com"},
}
QUERIES: dict[str, Body] = {
    "api/service/search": lambda w: {"name": "shop"},
    "api/billing/v3/usage-metrics": lambda w: {"start_month": "2026-09", "end_month": "2026-10"},
    "api/v1/decision": lambda w: {"service": w.shop.pk},
    f"{SERVICE}compare/": lambda w: {"from": 1, "to": 2},
}
# fmt: on
