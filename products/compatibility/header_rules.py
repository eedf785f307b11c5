"""Which header rules a handed-off connection follows (R11), and the rule that names the others."""

from collections.abc import Iterator

from products.compatibility.findings import Finding, RuleInput
from products.compatibility.version_config import HeaderConfig

ACTIONS = frozenset({"set", "append", "delete"})


def reason_ignored(rule: HeaderConfig) -> str:
    """Say why the edge leaves a header rule alone on a WebSocket connection; "" where it follows it.

    R11 speaks of client request headers that are added, removed or changed. What the edge could
    not carry out to the letter it does not try: a half-kept condition is worse than none.
    """
    if rule.type != "request":
        return f"it is about the {rule.type}, not the client's request"
    if rule.action not in ACTIONS:
        return "it replaces by a regular expression"
    if rule.request_condition:
        return "it has a condition"
    if rule.ignore_if_set and rule.action == "set":
        return "it is ignored where the header is set"
    return ""


def ignored_header_rules(situation: RuleInput) -> Iterator[Finding]:
    """Warn of header rules that the edge does not carry out on a handed-off connection (R11)."""
    for rule in situation.config.headers:
        why = reason_ignored(rule)
        if why:
            yield Finding(
                message=f"Header rule {rule.name} is not carried out on WebSocket connections: {why}.",
                fix="Nothing has to be done, unless your origin needs it in the handshake; then set, append or delete the request header without a condition.",
                header=rule.name,
                field="action" if rule.type == "request" else "type",
            )
