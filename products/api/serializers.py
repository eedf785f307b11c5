"""Our own answers as JSON: the decision about a deployment, its checks and findings."""

from dataclasses import asdict
from typing import Any

from products.compatibility.findings import Finding
from products.deploy.checks import CHECKS, CheckOutcome
from products.deploy.decision import CheckResult, DeployDecision

Json = dict[str, Any]
PASSED = {
    CheckOutcome.PASSED: True,
    CheckOutcome.FAILED: False,
    CheckOutcome.NOT_APPLICABLE: None,
}
NUMBERS = {check.code: number for number, check in enumerate(CHECKS, 1)}


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
