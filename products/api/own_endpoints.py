"""Endpoints of our own, outside Fastly's paths: the decision and the entitlements."""

from typing import Any

from django.utils import timezone
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import TokenRequest
from accounts.queries import account_of
from products.api import serializers as own_json
from products.api.lookups import service_at, version_for_decision_at
from products.api.services import valid
from products.deploy.decision import decision_with_probe
from products.enablement.queries import ProductState, products_of
from products.services import queries

Json = dict[str, Any]


class DecisionReader(serializers.Serializer[Any]):
    """The version to decide about; without a number, the latest."""

    service = serializers.CharField()
    version = serializers.IntegerField(min_value=0, required=False)


class DecisionView(APIView):
    """`GET /api/v1/decision?service=S&version=N`."""

    def get(self, request: TokenRequest) -> Response:
        """Return all checks, the same as the page *Why can't I deploy?*."""
        asked = valid(DecisionReader(data=request.query_params.dict()))
        number = asked.get("version")
        if number is None:
            service = service_at(request.auth, asked["service"])
            number = queries.latest_version(service).number
        row = version_for_decision_at(request.auth, asked["service"], number)
        decision = decision_with_probe(request.auth, version=row)
        asked_about = {"service": row.service_id, "version": row.number}
        return Response(asked_about | own_json.decision_to_json(decision))


class Entitlements(APIView):
    """`GET /api/v1/entitlements`."""

    def get(self, request: TokenRequest) -> Response:
        """Return every product as the account has it, and on which visible services it is on."""
        account = account_of(request.auth)
        seen = set(queries.services_of(request.auth).values_list("pk", flat=True))
        states = products_of(account, timezone.now())
        return Response(
            {
                "account": account.pk,
                "products": [product(each, seen) for each in states],
            }
        )


def product(state: ProductState, seen: set[str]) -> Json:
    """Return one product as the account has it."""
    held = state.enablement
    return {
        "product": state.product.pk,
        "name": state.product.name,
        "purchase_mode": state.product.purchase_mode,
        "enabled": state.is_on,
        "source": held.source if held else None,
        "since": held.starts_at if held else None,
        "blocked": (held.blocked_reason or None) if held and held.blocked_at else None,
        "per_service": state.product.per_service,
        "services": [row.pk for row in state.services if row.pk in seen],
    }
