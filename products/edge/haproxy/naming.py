"""The names of a service in HAProxy's configuration, and whether it may have one."""

import re

from products.protocol import MAX_HEADER_NAME_LENGTH, MAX_HOST_LENGTH, is_token

WEBSOCKET, PLAIN = "ws_", "web_"  # two backends, so that one kind can be cut alone

_SERVICE = re.compile(r"[A-Za-z0-9_-]{1,64}")
_HOST = re.compile(
    rf"[a-z0-9_][a-z0-9_.-]{{0,{MAX_HOST_LENGTH - 1}}}|\[[0-9a-f:.]{{2,45}}\]"
)


def is_service(text: str) -> bool:
    """Whether an id can be part of a name in the configuration."""
    return _SERVICE.fullmatch(text) is not None


def is_host(text: str) -> bool:
    """Whether a host can be a key of a map; a wildcard's without its `*.`."""
    return _HOST.fullmatch(text) is not None


def is_field(text: str) -> bool:
    """Whether a header field's name can be in a map."""
    return len(text) <= MAX_HEADER_NAME_LENGTH and is_token(text)
