"""The names of a service in HAProxy's configuration, and whether it may have one."""

import re

WEBSOCKET, PLAIN = "ws_", "web_"  # two backends, so that one kind can be cut alone

_SERVICE = re.compile(r"[A-Za-z0-9_-]{1,64}")
_HOST = re.compile(r"[a-z0-9_][a-z0-9_.-]{0,252}|\[[0-9a-f:.]{2,45}\]")
_FIELD = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]{1,200}")


def is_service(text: str) -> bool:
    """Whether an id can be part of a name in the configuration."""
    return _SERVICE.fullmatch(text) is not None


def is_host(text: str) -> bool:
    """Whether a host can be a key of a map; a wildcard's without its `*.`."""
    return _HOST.fullmatch(text) is not None


def is_field(text: str) -> bool:
    """Whether a header field's name, in lower case, can be in a map."""
    return _FIELD.fullmatch(text) is not None
