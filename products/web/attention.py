"""What needs attention in an account, and the first steps of a new one; each with its action.

Each item is computed from a state that has an end, so that it disappears when it is dealt with.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.template.defaultfilters import pluralize
from django.urls import reverse

from accounts.lists import names_in_words
from accounts.models import Account
from accounts.policy import AccountAccess, suspension_text
from accounts.queries import open_invitations_in, tokens_of
from accounts.roles import Permission
from products.compatibility.findings import blockers
from products.compatibility.rules import all_findings
from products.compatibility.version_config import WEBSOCKETS
from products.domains.models import DomainClaim
from products.enablement.models import TRIAL_NOTICE, ProductRequest
from products.enablement.queries import (
    ProductState,
    open_requests,
    products_on_by_service,
)
from products.services.describe import version_configs
from products.services.models import Service
from products.services.queries import incomplete_services, latest_versions
from products.webhooks.models import Webhook

TOKEN_ENDS_WITHIN: Final = timedelta(days=14)
INVITATION_ENDS_WITHIN: Final = timedelta(days=2)
SHOWN: Final = 5  # of one kind of item


@dataclass(frozen=True, slots=True)
class AttentionItem:
    """Something to deal with: its state, a sentence, and where to do so; `url` can be empty."""

    shape: str
    word: str
    sentence: str
    url: str = ""
    action: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks at the account, and what the page has read about it already."""

    access: AccountAccess
    account: Account
    products: Sequence[ProductState]
    services: Mapping[str, Service]  # those that they can see, by id
    now: datetime

    def may(self, permission: Permission, service_id: str | None = None) -> bool:
        """Return whether they have a permission."""
        return self.access.decide(permission, service_id).allowed

    def configures(self, service_id: str) -> bool:
        """Return whether they see a service and can change it, so that its faults concern them."""
        return service_id in self.services and self.may(
            Permission.SERVICE_CONFIGURE, service_id
        )


@dataclass(frozen=True, slots=True)
class Step:
    """One of the first steps: done, or to do at a page; the first that is not done is the next."""

    title: str
    done: bool
    url: str = ""
    action: str = ""


def attention_of(viewer: Viewer) -> list[AttentionItem]:
    """Return what needs the viewer's attention, the most urgent first; a constant number of queries."""
    return [
        *_suspension(viewer),
        *_products_without_effect(viewer),
        *_trials(viewer),
        *_blocked_versions(viewer),
        *_incomplete_services(viewer),
        *_claims(viewer),
        *_requests(viewer),
        *_tokens(viewer),
        *_invitations(viewer),
        *_webhooks(viewer),
    ]


def first_steps(viewer: Viewer) -> list[Step]:
    """Return the steps to a first WebSocket connection; none once all are done, or for readers."""
    product = next(
        (each for each in viewer.products if each.product.pk == WEBSOCKETS), None
    )
    if product is None or not viewer.may(Permission.SERVICE_CREATE):
        return []
    using = [each for each in product.services if each.pk in viewer.services]
    services = list(viewer.services.values())
    active = [each for each in services if each.active_number]  # type: ignore[attr-defined]
    if product.is_on and any(each in active for each in using):
        return []
    if active and product.last is not None:
        return []
    service = next(iter(using or active or services), None)
    return _with_one_action(
        [
            *_steps_of_service(service, bool(active)),
            *_steps_of_product(viewer, product, service),
        ]
    )


def _with_one_action(steps: Sequence[Step]) -> list[Step]:
    """Keep the action of the first step that is not done; none if all are."""
    following = next((step for step in steps if not step.done), None)
    if following is None:
        return []
    return [
        step if step is following else Step(step.title, step.done) for step in steps
    ]


def _steps_of_service(service: Service | None, is_active: bool) -> list[Step]:  # noqa: FBT001 - private
    if service is None:
        create = Step(
            "Create a service",
            done=False,
            url=reverse("services"),
            action="Create a service…",
        )
        return [
            create,
            *(
                Step(title, done=False)
                for title in ("Add a domain", "Add a backend", "Activate the version")
            ),
        ]
    version = latest_versions([service]).get(service.pk)
    number = version.number if version else 1
    kinds = set(version.parts.values_list("kind", flat=True)) if version else set()
    return [
        Step("Create a service", done=True),
        *(
            Step(
                f"Add a {kind}",
                is_active or kind in kinds,
                reverse("add_part", args=[service.pk, number, kind]),
                f"Add a {kind} to {service.name}",
            )
            for kind in ("domain", "backend")
        ),
        Step(
            "Activate the version",
            is_active,
            reverse("activate_version", args=[service.pk, number]),
            f"Activate version {number}…",
        ),
    ]


def _steps_of_product(
    viewer: Viewer, product: ProductState, service: Service | None
) -> list[Step]:
    can_enable = viewer.may(Permission.PRODUCT_ENABLE)
    return [
        Step(
            "Enable WebSockets",
            product.is_on,
            reverse("enable_product", args=[WEBSOCKETS])
            if can_enable
            else reverse("products"),
            "Enable WebSockets…" if can_enable else "Request access",
        ),
        Step(
            "Switch WebSockets on for the service",
            product.is_on and bool(product.services),
            reverse("service", args=[service.pk]) if service else reverse("services"),
            f"Go to {service.name}" if service else "Go to services",
        ),
    ]


def _suspension(viewer: Viewer) -> Iterator[AttentionItem]:
    account = viewer.account
    if not account.is_active:
        why = suspension_text(account.name, account.suspension_reason)
        yield AttentionItem(
            "stops",
            "Suspended",
            f"{why} New connections are refused. Contact support to lift the suspension.",
        )


def _products_without_effect(viewer: Viewer) -> Iterator[AttentionItem]:
    """Yield products that are switched on for services and disabled or blocked for the account."""
    can_enable = viewer.may(Permission.PRODUCT_ENABLE)
    for state in viewer.products:
        name = state.product.name
        services = [each.name for each in state.services if each.pk in viewer.services]
        held = state.enablement
        if state.block is not None:
            sentence = f"{name} is blocked, so new connections are refused: {state.block.reason}"
        elif services and not state.is_on:
            sentence = (
                f"{name} is switched on for {names_in_words(services, SHOWN)}, but disabled for "
                "the account. It has no effect."
            )
            if not can_enable:
                sentence += " Superusers can enable it."
        else:
            continue
        url, label = f"{reverse('products')}#{state.product.pk}", f"View {name}"
        if can_enable and state.product.is_sold_directly and not state.is_on:
            url = reverse("enable_product", args=[state.product.pk])
            label = f"Enable {name}…"
        elif state.is_over_budget and viewer.may(Permission.BILLING_READ):
            url, label = f"{reverse('billing')}#budget", "Open the budget"
        word = "Disabled" if held is None else "Blocked"
        yield AttentionItem("stops", word, sentence, url, label)


def _trials(viewer: Viewer) -> Iterator[AttentionItem]:
    """Yield trials that end soon, with the purchase for those who can make it."""
    can_enable = viewer.may(Permission.PRODUCT_ENABLE)
    for state in viewer.products:
        trial = state.enablement
        if trial is None or trial.trial_ends_at is None or trial.trial_ended_at:
            continue
        if viewer.now < trial.trial_ends_at - TRIAL_NOTICE:
            continue
        name = state.product.name
        yield AttentionItem(
            "warns",
            "Trial",
            f"The trial of {name} ends soon. New connections are refused then"
            + (
                " unless you purchase it."
                if can_enable
                else ". Superusers can purchase it."
            ),
            reverse("enable_product", args=[state.product.pk])
            if can_enable
            else f"{reverse('products')}#{state.product.pk}",
            f"Purchase {name}…" if can_enable else f"View {name}",
            trial.trial_ends_at,
        )


def _blocked_versions(viewer: Viewer) -> Iterator[AttentionItem]:
    """Yield services whose newest version breaks a rule, of those with WebSockets switched on."""
    using = next(
        (each.services for each in viewer.products if each.product.pk == WEBSOCKETS), ()
    )
    services = [each for each in using if viewer.configures(each.pk)]
    versions = latest_versions(services)
    configs = version_configs(versions.values())
    products = products_on_by_service(versions)
    found = []
    for service in services:
        version = versions.get(service.pk)
        if version is not None:
            on = products.get(service.pk, frozenset())
            conflicts = blockers(all_findings(configs[version.pk], on))
            found += [(service, version, each) for each in conflicts[:1]]
    for service, version, finding in found[:SHOWN]:
        refused = (
            f"WebSocket connections of {service.name} are refused"
            if version.active
            else f"Version {version.number} of {service.name} can't be deployed"
        )
        yield AttentionItem(
            "stops",
            "Blocked",
            f"{refused}: {finding.message}",
            reverse("why", args=[service.pk, version.number]),
            f"Check version {version.number} of {service.name}",
        )
    yield from _others("stops", "Blocked", len(found), "a conflict", "websockets=on")


def _others(
    shape: str, word: str, count: int, what: str, query: str
) -> Iterator[AttentionItem]:
    """Yield how many services have `what` too, so that they hide no other kind of item."""
    more = count - SHOWN
    if more > 0:
        yield AttentionItem(
            shape,
            word,
            f"{more:,} more service{pluralize(more, ' has,s have')} {what}.",
            f"{reverse('services')}?{query}",
            "View services",
        )


def _incomplete_services(viewer: Viewer) -> Iterator[AttentionItem]:
    """Yield services whose newest version has no domain or no backend."""
    own = [each for each in viewer.services if viewer.configures(each)]
    rows = incomplete_services(own)
    for row in rows[:SHOWN]:
        kind = "backend" if row.has_domain else "domain"
        missing = (
            "backend"
            if row.has_domain
            else "domain"
            if row.has_backend
            else "domain and no backend"
        )
        where = "add_part" if row.is_draft else "version"
        args = (
            [row.service_id, row.number, kind]
            if where == "add_part"
            else [row.service_id, row.number]
        )
        yield AttentionItem(
            "warns",
            "Incomplete",
            f"Version {row.number} of {row.name} has no {missing}.",
            reverse(where, args=args),
            f"Add a {kind}" if where == "add_part" else f"View version {row.number}",
        )
    yield from _others(
        "warns", "Incomplete", len(rows), "no domain or no backend", "state=not"
    )


def _claims(viewer: Viewer) -> Iterator[AttentionItem]:
    """Yield domains whose claim is not verified yet or is lost, until it is verified or released."""
    if not viewer.may(Permission.DOMAIN_CLAIM):
        return
    rows = DomainClaim.objects.filter(account=viewer.account).exclude(
        state=DomainClaim.State.VERIFIED
    )
    for claim in rows.order_by("-requested_at", "pk")[:SHOWN]:
        is_pending = claim.state == DomainClaim.State.PENDING
        yield AttentionItem(
            "warns",
            "Domain",
            f"{claim.name} is not verified yet. No version with it can be activated."
            if is_pending
            else f"The claim on {claim.name} is lost: {claim.lost_reason}",
            reverse("domain", args=[claim.pk]),
            f"Verify {claim.name}" if is_pending else "View the claim",
            claim.requested_at if is_pending else claim.lost_at,
        )


def _requests(viewer: Viewer) -> Iterator[AttentionItem]:
    """Yield open requests: one's own, and those of others for who may enable products."""
    rows = open_requests(viewer.account)
    own = viewer.access.actor.user_id
    if not viewer.may(Permission.PRODUCT_ENABLE):
        rows = rows.filter(user_id=own)
    for row in rows[:SHOWN]:
        yield _request(row, is_own=row.user_id == own)


def _request(row: ProductRequest, *, is_own: bool) -> AttentionItem:
    who = "You" if is_own else row.requested_by
    note = f": “{row.note}”" if row.note else ""
    return AttentionItem(
        "ask",
        "Request",
        f"{who} requested {row.product.name}{note}",
        reverse("product_request", args=[row.pk]),
        "View request" if is_own else "Review request",
        row.requested_at,
    )


def _tokens(viewer: Viewer) -> Iterator[AttentionItem]:
    """Yield one's own tokens that expire soon; they stop to be listed when they have."""
    if not viewer.may(Permission.TOKEN_OWN):
        return
    soon = tokens_of(viewer.access.actor).filter(
        expires_at__gt=viewer.now, expires_at__lte=viewer.now + TOKEN_ENDS_WITHIN
    )
    for token in soon.order_by("expires_at", "pk")[:SHOWN]:
        yield AttentionItem(
            "warns",
            "Expires",
            f"Your API token {token.name} expires soon. Calls with it are refused from then on.",
            reverse("tokens"),
            "View API tokens",
            token.expires_at,
        )


def _invitations(viewer: Viewer) -> Iterator[AttentionItem]:
    """Yield invitations that expire soon or have expired, until they are withdrawn or renewed."""
    if not viewer.may(Permission.MEMBER_INVITE):
        return
    soon = open_invitations_in(viewer.access).filter(
        expires_at__lte=viewer.now + INVITATION_ENDS_WITHIN
    )
    for invitation in soon.order_by("-expires_at", "pk")[:SHOWN]:
        verb = "has expired" if invitation.expires_at <= viewer.now else "expires soon"
        yield AttentionItem(
            "warns",
            "Invitation",
            f"The invitation for {invitation.email} {verb}.",
            reverse("members"),
            "View invitations",
            invitation.expires_at,
        )


def _webhooks(viewer: Viewer) -> Iterator[AttentionItem]:
    """Yield webhooks that are paused because they kept failing."""
    if not viewer.may(Permission.WEBHOOK_MANAGE):
        return
    paused = Webhook.objects.filter(account=viewer.account, paused_at__isnull=False)
    for webhook in paused.order_by("paused_at", "pk")[:SHOWN]:
        yield AttentionItem(
            "warns",
            "Paused",
            f"The webhook {webhook.url} is paused: {webhook.pause_reason}",
            reverse("webhook", args=[webhook.pk]),
            "View webhook",
            webhook.paused_at,
        )
