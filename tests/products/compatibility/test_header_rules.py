"""R11: the header rules that a handed-off connection follows, and those that are named."""

import pytest

from products.compatibility.findings import Problem, Severity
from products.compatibility.rules import all_findings
from products.compatibility.version_config import HeaderConfig, VersionConfig

WEBSOCKETS = frozenset({"websockets"})


def with_rule(**fields):
    rule = HeaderConfig(name="tenant", dst="http.X-Tenant", **fields)
    return VersionConfig(number=8, headers=(rule,))


def test_the_whole_finding_names_the_rule_and_the_reason():
    problems = all_findings(with_rule(request_condition="only-chat"), WEBSOCKETS)

    assert problems == (
        Problem(
            code="header_rule_left_alone",
            severity=Severity.WARNING,
            rule="R11",
            source="https://docs.fastly.com/products/websockets",
            message="Header rule tenant is not carried out on WebSocket connections: it has a condition.",
            fix="Nothing has to be done, unless your origin needs it in the handshake; then set, append or delete the request header without a condition.",
            header="tenant",
            field="action",
        ),
    )


@pytest.mark.parametrize(
    ("fields", "why", "field"),
    [
        ({"action": "regex"}, "it replaces by a regular expression", "action"),
        ({"action": "regex_repeat"}, "it replaces by a regular expression", "action"),
        ({"ignore_if_set": True}, "it is ignored where the header is set", "action"),
        (
            {"type": "response"},
            "it is about the response, not the client's request",
            "type",
        ),
        ({"type": "cache"}, "it is about the cache, not the client's request", "type"),
    ],
)
def test_a_rule_that_the_edge_leaves_alone_is_a_warning(fields, why, field):
    problems = all_findings(with_rule(**fields), WEBSOCKETS)

    assert [(each.message, each.field) for each in problems] == [
        (
            f"Header rule tenant is not carried out on WebSocket connections: {why}.",
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
def test_a_rule_that_the_edge_carries_out_raises_nothing(fields):
    assert all_findings(with_rule(**fields), WEBSOCKETS) == ()
