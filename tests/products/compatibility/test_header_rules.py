"""R11: the header rules that apply to WebSocket connections, and the warning about the others."""

import pytest

from products.compatibility.findings import Finding, Severity
from products.compatibility.rules import all_findings
from products.compatibility.version_config import HeaderConfig, VersionConfig

WEBSOCKETS = frozenset({"websockets"})


def with_rule(**fields):
    rule = HeaderConfig(name="tenant", dst="http.X-Tenant", **fields)
    return VersionConfig(number=8, headers=(rule,))


def test_the_whole_finding_names_the_rule_and_the_reason():
    findings = all_findings(with_rule(request_condition="only-chat"), WEBSOCKETS)

    assert findings == (
        Finding(
            code="header_rule_left_alone",
            severity=Severity.WARNING,
            rule="R11",
            source="https://docs.fastly.com/products/websockets",
            message="Header rule tenant is ignored on WebSocket connections because it has a condition.",
            remedy="No action needed, unless your origin needs it in the handshake. Then set, append or delete the request header without a condition.",
            header="tenant",
            field="action",
        ),
    )


@pytest.mark.parametrize(
    ("fields", "why", "field"),
    [
        ({"action": "regex"}, "it uses a regular expression", "action"),
        ({"action": "regex_repeat"}, "it uses a regular expression", "action"),
        ({"ignore_if_set": True}, "it applies only if the header isn't set", "action"),
        (
            {"type": "response"},
            "it changes the response, not the request",
            "type",
        ),
        ({"type": "cache"}, "it changes the cache, not the request", "type"),
    ],
)
def test_a_rule_that_the_edge_ignores_is_a_warning(fields, why, field):
    findings = all_findings(with_rule(**fields), WEBSOCKETS)

    assert [(each.message, each.field) for each in findings] == [
        (
            f"Header rule tenant is ignored on WebSocket connections because {why}.",
            field,
        )
    ]


@pytest.mark.parametrize(
    "fields",
    [
        {"action": "set"},
        {"action": "append"},
        {"action": "append", "ignore_if_set": True},
        {"action": "delete"},
        {"response_condition": "of another kind of rule"},
    ],
)
def test_a_rule_that_the_edge_applies_has_no_finding(fields):
    assert all_findings(with_rule(**fields), WEBSOCKETS) == ()
