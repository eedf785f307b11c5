"""`GET /api/v1/decision`: whether the user may activate a version, and every reason if not."""

from dataclasses import asdict
from typing import Any

from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import TokenRequest
from accounts.errors import Conflict
from products.api.lookups import service_at, version_for_decision_at
from products.api.services import valid
from products.compatibility.findings import Finding
from products.deploy.checks import CHECKS, CheckOutcome
from products.deploy.decision import CheckResult, DeployDecision, decision_with_probe
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
    strict = serializers.BooleanField(default=False)


class NotAllowed(Conflict):
    """The version cannot be activated; the data is the decision."""

    code = "not_allowed"

    def __init__(self, decision: DeployDecision, body: Json) -> None:
        failed = [each for each in decision.checks if PASSED[each.outcome] is False]
        super().__init__(" ".join(each.reason for each in failed))
        self.data = body


class DecisionView(APIView):
    """`GET /api/v1/decision?service=S&version=N&strict=1`."""

    def get(self, request: TokenRequest) -> Response:
        """Return all checks, the same as the page *Why can't I deploy?*.

        With `strict`, the status is 409 unless the version can be activated.
        """
        asked = valid(DecisionReader(data=request.query_params.dict()))
        number = asked.get("version")
        if number is None:
            service = service_at(request.auth, asked["service"])
            number = queries.latest_version(service).number
        row = version_for_decision_at(request.auth, asked["service"], number)
        decision = decision_with_probe(request.auth, version=row)
        body = {"service": row.service_id, "version": row.number} | decision_to_json(
            decision
        )
        if asked["strict"] and not decision.allowed:
            raise NotAllowed(decision, body)
        return Response(body)


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
