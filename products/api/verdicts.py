"""How the decision about a deployment looks as JSON: the eight gates, each with its reason."""

from dataclasses import asdict
from typing import Any

from products.compatibility.findings import Problem
from products.deploy.verdict import CheckOutcome, GateAnswer, Verdict

Json = dict[str, Any]
PASSED = {
    CheckOutcome.PASSED: True,
    CheckOutcome.FAILED: False,
    CheckOutcome.NOT_ASKED: None,
}


def gate(answer: GateAnswer) -> Json:
    """Show one gate's answer; `passed` is null where it was not asked."""
    return {
        "gate": answer.number,
        "code": answer.code,
        "title": answer.title,
        "passed": PASSED[answer.state],
        "reason": answer.reason,
        "remedy": answer.remedy,
        "who": list(answer.who),
        "problems": [problem(each) for each in answer.problems],
    }


def problem(found: Problem) -> Json:
    """Show one finding of a rule."""
    return asdict(found) | {"severity": found.severity.value}


def verdict(whole: Verdict) -> Json:
    """Show the whole decision."""
    return {
        "allowed": whole.allowed,
        "uses_websockets": whole.uses_websockets,
        "gates": [gate(each) for each in whole.gates],
        "warnings": [problem(each) for each in whole.warnings],
    }
