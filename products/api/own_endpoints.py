"""Endpoints that Fastly does not have: the decision about a deployment, and the entitlements."""

from dataclasses import asdict
from typing import Any

from django.utils import timezone
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import TokenRequest
from accounts.queries import account_of
from products.api.lookups import service_at, version_for_decision_at
from products.api.services import valid
from products.compatibility.findings import Finding
from products.deploy.checks import CHECKS, CheckOutcome
from products.deploy.decision import CheckResult, DeployDecision, decision_with_probe
from products.enablement.queries import ProductState, products_of
from products.services import queries

Json = dict[str, Any]
PASSED = {
    CheckOutcome.PASSED: True,
    CheckOutcome.FAILED: False,
    CheckOutcome.NOT_APPLICABLE: None,
}
NUMBERS = {check.code: number for number, check in enumerate(CHECKS, 1)}


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
        return Response(asked_about | decision_to_json(decision))


class Entitlements(APIView):
    """`GET /api/v1/entitlements`."""

    def get(self, request: TokenRequest) -> Response:
        """Return every product, its state in the account, and the visible services that have it on."""
        account = account_of(request.auth)
        seen = set(queries.services_of(request.auth).values_list("pk", flat=True))
        states = products_of(account, timezone.now())
        return Response(
            {
                "account": account.pk,
                "products": [product_to_json(each, seen) for each in states],
            }
        )


def product_to_json(state: ProductState, seen: set[str]) -> Json:
    """Return one product and its state in the account."""
    enablement = state.enablement
    return {
        "product": state.product.pk,
        "name": state.product.name,
        "purchase_mode": state.product.purchase_mode,
        "enabled": state.is_on,
        "source": enablement.source if enablement else None,
        "since": enablement.starts_at if enablement else None,
        "blocked": (enablement.blocked_reason or None)
        if enablement and enablement.blocked_at
        else None,
        "per_service": state.product.per_service,
        "services": [row.pk for row in state.services if row.pk in seen],
    }


def check_to_json(result: CheckResult) -> Json:
    """Return one check; `passed` is null if the check does not apply."""
    return {
        "check": NUMBERS[result.code],
        "code": result.code,
        "title": result.title,
        "passed": PASSED[result.outcome],
        "reason": result.reason,
        "remedy": result.remedy,
        "who": list(result.who),
        "problems": [finding_to_json(each) for each in result.findings],
    }


def finding_to_json(finding: Finding) -> Json:
    """Return one finding of a rule."""
    return asdict(finding) | {"severity": finding.severity.value}


def decision_to_json(decision: DeployDecision) -> Json:
    """Return the whole decision."""
    return {
        "allowed": decision.allowed,
        "uses_websockets": decision.uses_websockets,
        "checks": [check_to_json(each) for each in decision.checks],
        "warnings": [finding_to_json(each) for each in decision.warnings],
    }
