"""The map files: what HAProxy looks up per request, and what changes without a reload.

    hosts.map   host -> service             wild.map    .name, reversed -> service
    ws.map      service -> on | refusal     origin.map  service -> on | reason
    fields.map  service -> logged fields
    full.map    service -> full, if its account has as many tunnels as it may have;
                * -> full, while connections cannot be counted

Sentences are in base64, so that no value contains a space.
"""

import base64
import logging
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeAlias

from products.edge.contract import Route
from products.edge.errors import EdgeError
from products.edge.files import atomic_write
from products.protocol import MAX_HEADER_NAME_LENGTH, MAX_HOST_LENGTH, is_token

log = logging.getLogger(__name__)

Maps: TypeAlias = dict[str, dict[str, str]]

HOSTS, WILDCARDS, WEBSOCKETS = "hosts.map", "wild.map", "ws.map"
ORIGINS, FIELDS, FULL = "origin.map", "fields.map", "full.map"
ROUTING_MAPS = (ORIGINS, FIELDS, HOSTS, WILDCARDS)  # hosts after what they lead to
PERMISSION_MAPS = (WEBSOCKETS, FULL)
ON, NONE, IS_FULL = "on", "none", "full"
ALL_SERVICES = frozenset({"*"})

_SERVICE = re.compile(r"[A-Za-z0-9_-]{1,64}")
_HOST = re.compile(
    rf"[a-z0-9_][a-z0-9_.-]{{0,{MAX_HOST_LENGTH - 1}}}|\[[0-9a-f:.]{{2,45}}\]"
)


def is_service(text: str) -> bool:
    """Return whether an id can be part of a name in the configuration."""
    return _SERVICE.fullmatch(text) is not None


def is_host(text: str) -> bool:
    """Return whether a host can be a key of a map; a wildcard without its `*.`."""
    return _HOST.fullmatch(text) is not None


def encode_sentence(text: str) -> str:
    """Return a sentence as a map's value."""
    return base64.b64encode(text.encode()).decode()


NOT_ON = encode_sentence(EdgeError.WEBSOCKETS_OFF.sentence())
NOT_RESOLVED = encode_sentence(EdgeError.ORIGIN_NOT_RESOLVED_YET.sentence())


def routing_maps(routes: Iterable[Route], origin_problems: Mapping[str, str]) -> Maps:
    """Return the maps that lead a request to its origin.

    `origin_problems` has "" for a service whose origin can be used, and nothing for one that
    has not been resolved. Hosts and ids that cannot be keys are left out.
    """
    maps: Maps = {name: {} for name in ROUTING_MAPS}
    for route in routes:
        if not is_service(route.service):
            log.error("A service is not served, its id is not valid: %r", route.service)
            continue
        for host in route.hosts:
            _add_host(maps, host, route.service)
        maps[ORIGINS][route.service] = _origin_value(route, origin_problems)
        fields = {name.lower() for end in route.log_endpoints for name in end.fields}
        if names := ",".join(sorted(filter(_is_field, fields))):
            maps[FIELDS][route.service] = names
    return maps


def permission_maps(
    routes: Iterable[Route], full: frozenset[str] = frozenset()
) -> Maps:
    """Return the maps that say who may upgrade (R12); the services in `full` may not."""
    return {
        WEBSOCKETS: {
            route.service: (
                ON if route.websockets else encode_sentence(route.refusal_sentence)
            )
            for route in routes
            if is_service(route.service)
        },
        FULL: {
            service: IS_FULL
            for service in sorted(full)
            if is_service(service) or full == ALL_SERVICES
        },
    }


def write(maps: Maps, folder: Path) -> None:
    """Write the maps that differ from their files, each atomically. Raises OSError."""
    for name, values in maps.items():
        data = "".join(f"{key} {value}\n" for key, value in values.items()).encode()
        path = folder / name
        if not path.exists() or path.read_bytes() != data:
            atomic_write(path, data)


def commands(
    name: str, current: Mapping[str, str], wanted: Mapping[str, str]
) -> list[str]:
    """Return the commands that change a running worker's map to the wanted one."""
    changes = [f"del map {name} {key}" for key in current.keys() - wanted.keys()]
    for key, value in wanted.items():
        if key not in current:
            changes.append(f"add map {name} {key} {value}")
        elif current[key] != value:
            changes.append(f"set map {name} {key} {value}")
    return changes


def _origin_value(route: Route, problems: Mapping[str, str]) -> str:
    if route.origin is None:
        return NONE
    problem = problems.get(route.service)
    return NOT_RESOLVED if problem is None else encode_sentence(problem) or ON


def _add_host(maps: Maps, host: str, service: str) -> None:
    name = host.removeprefix("*.").removesuffix(".")
    if not is_host(name):
        log.error("A host is not served, its name is not valid: %r", host)
    elif host.startswith("*."):
        # Reversed, because HAProxy finds the longest key that a name begins with.
        maps[WILDCARDS][name[::-1] + "."] = service
    else:
        maps[HOSTS][name] = service


def _is_field(text: str) -> bool:
    return len(text) <= MAX_HEADER_NAME_LENGTH and is_token(text)
