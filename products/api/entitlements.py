"""`/api/v1/entitlements`: what the account may use; enable and disable a product for it.

The same commands as the pages. What needs re-authentication there needs `POST /sudo` here.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.utils import timezone
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.actor import Actor
from accounts.authentication import TokenRequest
from accounts.body_text import OneOfField, OwnBodyReader, TextField
from accounts.errors import RefusalError
from accounts.models import Account
from accounts.policy import AccountAccess, Decision, load_access, require
from accounts.queries import account_of
from accounts.roles import Permission
from accounts.sudo import reauthenticated
from products.api.decision import finding_to_json
from products.api.services import valid
from products.billing.estimates import MAX_CONNECTIONS, MAX_SECONDS_EACH, estimated
from products.calendars import Calendar, calendar_of
from products.catalogue.models import PriceVersion, Product
from products.catalogue.money import Money, unit_price
from products.catalogue.queries import prices_beside, tiered_price
from products.catalogue.queries import product as find_product
from products.catalogue.tiers import METERS
from products.enablement.agreements import AgreedTerms, direct_terms, trial_terms
from products.enablement.commands import (
    Agreement,
    disable,
    enable,
    request_product,
    start_trial,
)
from products.enablement.commands.account import PriceChanged
from products.enablement.models import MAX_NOTE_LENGTH, Enablement
from products.enablement.queries import (
    ProductState,
    products_of,
    services_hash,
    shown_trial_minutes,
    state_of,
)
from products.enablement.refusals import (
    already_disabled,
    disable_refusal,
    enable_refusal,
    request_refusal,
    trial_refusal,
)
from products.enablement.review import conflicts_of, who_can_use
from products.metering.queries import current_usage
from products.services import queries

Json = dict[str, Any]
STATES = {
    Enablement.Source.DIRECT: "enabled",
    Enablement.Source.CONTRACT: "package",
    Enablement.Source.PACKAGE: "package",
    Enablement.Source.TRIAL: "trial",
}


class PreviewReader(OwnBodyReader):
    """A month to estimate, if both numbers are sent."""

    connections = serializers.IntegerField(
        min_value=0, max_value=MAX_CONNECTIONS, required=False
    )
    seconds_each = serializers.IntegerField(
        min_value=0, max_value=MAX_SECONDS_EACH, required=False
    )


class EnableReader(OwnBodyReader):
    """What was agreed to, as the preview returned it."""

    price_version = TextField()
    agreement_sha256 = TextField()
    reason = TextField(default="", allow_blank=True)


class TrialReader(OwnBodyReader):
    """What was agreed to, as the preview of the trial returned it."""

    agreement_sha256 = TextField()


class RequestReader(OwnBodyReader):
    """A note for those who are asked."""

    note = TextField(default="", allow_blank=True, max_length=MAX_NOTE_LENGTH)


class DisableReader(OwnBodyReader):
    """How to disable a product, and what the preview showed."""

    drain_mode = OneOfField(choices=Enablement.DrainMode.choices)
    seen = TextField()
    reason = TextField(default="", allow_blank=True)


class Entitlements(APIView):
    """`GET /api/v1/entitlements`."""

    def get(self, request: TokenRequest) -> Response:
        """Return every product, its state in the account, and the visible services that have it on."""
        account = account_of(request.auth)
        seen = visible_ids(request.auth)
        access = load_access(request.auth, account.pk)
        now = timezone.now()
        data = [
            entitlement_to_json(each, account, access, seen=seen, now=now)
            for each in products_of(account, now)
        ]
        return Response({"data": data, "meta": {"next": ""}})


class OneEntitlement(APIView):
    """`GET /api/v1/entitlements/{product}`."""

    def get(self, request: TokenRequest, slug: str) -> Response:
        """Return one product and its state in the account."""
        account = account_of(request.auth)
        return Response(
            entitlement_of(request.auth, account, find_product(slug), timezone.now())
        )


class EnablePreview(APIView):
    """`POST /api/v1/entitlements/{product}/preview`."""

    changes_nothing = True

    def post(self, request: TokenRequest, slug: str) -> Response:
        """Return what enabling changes and costs, and the agreement that it needs (R5)."""
        actor, account, product = manager_of(request, slug)
        sent = valid(PreviewReader(data=request.data))
        now = timezone.now()
        state = state_of(account, product, now)
        if refusal := enable_refusal(product, state.enablement, state.price):
            raise refusal
        assert state.price is not None  # noqa: S101 - else it is refused
        prices = prices_beside(state.price, now, account)
        terms = direct_terms(account, product, prices, now=now)
        return Response(
            {
                "price_version": state.price.pk,
                "prices": [price_to_json(each) for each in prices],
                "estimate": estimate_to_json(state.price, sent),
                "agreement": terms_to_json(terms),
                "conflicts": [
                    {
                        "service": each.service.pk,
                        "name": each.service.name,
                        "findings": [finding_to_json(one) for one in each.findings],
                    }
                    for each in conflicts_of(actor, product)
                    if each.findings
                ],
                "people": [
                    {"name": each.name, "role": each.role.lower()}
                    | {"services": each.services}
                    for each in who_can_use(account)
                ],
            }
        )


class EnableProduct(APIView):
    """`POST /api/v1/entitlements/{product}/enable`."""

    def post(self, request: TokenRequest, slug: str) -> Response:
        """Enable the product for the account (R3), and return the entitlement."""
        actor, account, product = manager_of(request, slug)
        actor = reauthenticated(actor)
        sent = valid(EnableReader(data=request.data))
        now = timezone.now()
        price = state_of(account, product, now).price
        if price is not None and price.pk != sent["price_version"]:
            raise PriceChanged
        enable(
            actor,
            account=account,
            product=product,
            agreement=Agreement(sent["agreement_sha256"]),
            reason=sent["reason"],
            now=now,
        )
        return Response(entitlement_of(actor, account, product, now))


class TrialPreview(APIView):
    """`POST /api/v1/entitlements/{product}/trial/preview`."""

    changes_nothing = True

    def post(self, request: TokenRequest, slug: str) -> Response:
        """Return how long the trial is, and the agreement that starting it needs (R18)."""
        _, account, product = manager_of(request, slug)
        now = timezone.now()
        state = state_of(account, product, now)
        if refusal := trial_refusal(
            product,
            enablement=state.enablement,
            trial=state.trial,
            plan=state.trial_plan,
        ):
            raise refusal
        plan = state.trial_plan
        assert plan is not None  # noqa: S101 - else it is refused
        return Response(
            {
                "days": plan.trial_days,
                "cap_minutes": plan.trial_minutes,
                "agreement": terms_to_json(trial_terms(account, plan, now=now)),
            }
        )


class StartTrial(APIView):
    """`POST /api/v1/entitlements/{product}/trial`."""

    def post(self, request: TokenRequest, slug: str) -> Response:
        """Start the account's trial of the product (R18), and return the entitlement."""
        actor, account, product = manager_of(request, slug)
        actor = reauthenticated(actor)
        sent = valid(TrialReader(data=request.data))
        now = timezone.now()
        start_trial(
            actor,
            account=account,
            product=product,
            agreement=Agreement(sent["agreement_sha256"]),
            now=now,
        )
        return Response(entitlement_of(actor, account, product, now))


class RequestProduct(APIView):
    """`POST /api/v1/entitlements/{product}/request`."""

    def post(self, request: TokenRequest, slug: str) -> Response:
        """Request the product (R17), once per day, and return the request."""
        account = account_of(request.auth)
        product = find_product(slug)
        sent = valid(RequestReader(data=request.data))
        row = request_product(
            request.auth,
            account=account,
            product=product,
            note=sent["note"],
            now=timezone.now(),
        )
        asked = "superusers" if product.is_sold_directly else "sales"
        return Response(
            {
                "id": row.pk,
                "product": product.pk,
                "asked": asked,
                "state": row.state,
                "note": row.note,
                "requested_at": row.requested_at,
            }
        )


class DisablePreview(APIView):
    """`POST /api/v1/entitlements/{product}/disable/preview`."""

    changes_nothing = True

    def post(self, request: TokenRequest, slug: str) -> Response:
        """Return which services stop using the product, and how many connections are open."""
        actor, account, product = manager_of(request, slug)
        now = timezone.now()
        state = state_of(account, product, now)
        if state.enablement is None:
            raise already_disabled(account, product, state.last)
        if refusal := disable_refusal(product, state.enablement):
            raise refusal
        services = queries.services_of(actor).values_list("pk", flat=True)
        usage = current_usage(list(services), calendar=calendar_of(account), now=now)
        return Response(
            {
                "services": [
                    {"id": row.pk, "name": row.name}
                    | {"open_connections": usage.open.of(row.pk)}
                    for row in state.services
                ],
                "open_connections": usage.open.total,
                "unknown_since": usage.unknown_since,
                "seen": services_hash(state.enablement),
            }
        )


class DisableProduct(APIView):
    """`POST /api/v1/entitlements/{product}/disable`."""

    def post(self, request: TokenRequest, slug: str) -> Response:
        """Disable the product for the account (R19), and return the entitlement."""
        actor, account, product = manager_of(request, slug)
        actor = reauthenticated(actor)
        sent = valid(DisableReader(data=request.data))
        now = timezone.now()
        disable(actor, account=account, product=product, now=now, **sent)
        return Response(entitlement_of(actor, account, product, now))


def manager_of(request: TokenRequest, slug: str) -> tuple[Actor, Account, Product]:
    """Return actor, account and product; raises Forbidden if they may not enable products."""
    actor = request.auth
    account = account_of(actor)
    product = find_product(slug)
    require(actor, Permission.PRODUCT_ENABLE, account)
    return actor, account, product


def visible_ids(actor: Actor) -> set[str]:
    """Return the ids of the services that the actor may see."""
    return set(queries.services_of(actor).values_list("pk", flat=True))


def entitlement_of(
    actor: Actor, account: Account, product: Product, now: datetime
) -> Json:
    """Return one product and its state in the account."""
    return entitlement_to_json(
        state_of(account, product, now),
        account,
        load_access(actor, account.pk),
        seen=visible_ids(actor),
        now=now,
    )


def entitlement_to_json(
    state: ProductState,
    account: Account,
    access: AccountAccess,
    *,
    seen: set[str],
    now: datetime,
) -> Json:
    """Return a product, its state in the account, and what the user may do with it.

    `price_version` is that of the enablement, or else the one that enabling would agree to.
    """
    enablement, product = state.enablement, state.product
    price_id = enablement.price_version_id if enablement else None
    if (enablement is None or state.on_trial) and state.price is not None:
        price_id = state.price.pk
    return {
        "product": product.pk,
        "name": product.name,
        "state": state_name(state),
        "purchase_mode": product.purchase_mode,
        "per_service": product.per_service,
        "blocked": state.block.reason if state.block else None,
        "since": enablement.starts_at if enablement else None,
        "until": enablement.ends_at if enablement else None,
        "price_version": price_id,
        "services": [row.pk for row in state.services if row.pk in seen],
        "trial": trial_to_json(state.trial, calendar_of(account), now),
        "you": abilities(state, account, access),
    }


def trial_to_json(
    trial: Enablement | None, calendar: Calendar, now: datetime
) -> Json | None:
    """Return the account's trial of a product, running or ended; None if it never had one."""
    if trial is None:
        return None
    return {
        "started_at": trial.starts_at,
        "started_by": trial.started_by,
        "ends_at": trial.trial_ends_at,
        "ended_at": trial.trial_ended_at,
        "cap_minutes": trial.trial_minutes,
        "used_minutes": shown_trial_minutes(trial, calendar, now),
    }


def state_name(state: ProductState) -> str:
    """Return how the account has a product: disabled, enabled, trial or package."""
    if state.enablement is not None:
        return STATES[Enablement.Source(state.enablement.source)]
    return "enabled" if state.is_on else "disabled"


def abilities(
    state: ProductState, account: Account, access: AccountAccess
) -> Mapping[str, Json]:
    """Return what the user may do with a product, with the reason if not."""
    enabling = access.decide(Permission.PRODUCT_ENABLE)
    cannot_enable = enable_refusal(state.product, state.enablement, state.price)
    if state.enablement is None:
        cannot_disable: RefusalError | None = already_disabled(
            account, state.product, state.last
        )
    else:
        cannot_disable = disable_refusal(state.product, state.enablement)
    return {
        "enable": ability(enabling, cannot_enable),
        "disable": ability(enabling, cannot_disable),
        "request": ability(
            access.decide(Permission.PRODUCT_REQUEST),
            request_refusal(state.product, state.enablement),
        ),
        "switch": ability(access.decide(Permission.SERVICE_CONFIGURE)),
    }


def ability(decision: Decision, refusal: RefusalError | None = None) -> Json:
    """Return whether the user may do something: first by their role, then by the state."""
    if not decision.allowed:
        return {"allowed": False, "reason": decision.reason}
    return {
        "allowed": refusal is None,
        "reason": "" if refusal is None else refusal.message,
    }


def price_to_json(price: PriceVersion) -> Json:
    """Return a price: money as text in units of the currency."""
    return {
        "price_version": price.pk,
        "number": price.number,
        "meter": price.meter,
        "unit": METERS[price.meter].unit_name,
        "unit_size": price.unit_size,
        "unit_mode": price.unit_mode,
        "currency": price.currency,
        "fee": str(Money(price.fee_micros, price.currency).amount),
        "included_units": price.included_units,
        "tiers": [
            {"up_to": tier.up_to, "unit_price": str(unit_price(tier.unit_price_nanos))}
            for tier in tiered_price(price).tiers
        ],
        "effective_from": price.effective_from,
    }


def terms_to_json(terms: AgreedTerms) -> Json:
    """Return terms to agree to; `sha256` is what enabling and starting a trial ask for."""
    return {
        "text": terms.text,
        "sha256": terms.text_hash,
        "record": json.loads(terms.record),
        "record_sha256": terms.record_hash,
    }


def estimate_to_json(price: PriceVersion, sent: Mapping[str, int]) -> Json | None:
    """Return what a month with these connections would cost; None without both numbers."""
    if not {"connections", "seconds_each"} <= sent.keys():
        return None
    if price.meter != "connection_time":
        return None
    answer = estimated(
        price, connections=sent["connections"], seconds_each=sent["seconds_each"]
    )
    return {
        "minutes_each": answer.minutes_each,
        "minutes": answer.minutes,
        "amount": str(answer.total.amount),
        "currency": answer.total.currency,
    }
