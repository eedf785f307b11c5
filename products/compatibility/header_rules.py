"""Which header rules the edge applies to WebSocket connections (R11)."""

from products.compatibility.version_config import HeaderConfig

ACTIONS = frozenset({"set", "append", "delete"})


def reason_ignored(rule: HeaderConfig) -> str:
    """Say why the edge ignores a header rule on WebSocket connections; "" if it applies it.

    R11 is about client request headers that are added, removed or changed. The edge ignores a
    rule that it could apply only in part: a header set without its condition would be wrong.
    """
    if rule.type != "request":
        return f"it changes the {rule.type}, not the request"
    if rule.action not in ACTIONS:
        return "it uses a regular expression"
    if rule.request_condition:
        return "it has a condition"
    if rule.ignore_if_set and rule.action == "set":
        return "it applies only if the header isn't set"
    return ""
