"""The map files: what HAProxy asks per request, and what changes without a reload.

    hosts.map   host -> service             wild.map    .name -> service (longest first)
    ws.map      service -> on | refusal     origin.map  service -> on | reason
    fields.map  service -> asked fields     edge.map    upgrades -> on | off

Sentences stand in base64, so no value holds a space.
"""

import base64
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeAlias

from products.edge.contract import Route
from products.edge.errors import EdgeError
from products.edge.files import atomic_write
from products.edge.haproxy.naming import is_field, is_host, is_service

log = logging.getLogger(__name__)

Maps: TypeAlias = dict[str, dict[str, str]]

HOSTS, WILD, WEBSOCKETS = "hosts.map", "wild.map", "ws.map"
ORIGINS, FIELDS, EDGE = "origin.map", "fields.map", "edge.map"
LEADING = (ORIGINS, FIELDS, HOSTS, WILD)  # hosts last: what they lead to must be there
ON, OFF, NONE = "on", "off", "none"
UPGRADES = "upgrades"


def sentence(text: str) -> str:
    """Give a sentence as a map's value."""
    return base64.b64encode(text.encode()).decode()


NOT_ON = sentence(EdgeError.WEBSOCKETS_OFF.sentence())
NOT_READY = sentence(EdgeError.ORIGIN_NOT_RESOLVED_YET.sentence())


def build(routes: Iterable[Route], origins: Mapping[str, str]) -> Maps:
    """Make the maps that lead; `origins` says "" of a service whose origin may be dialled.

    For any other it says why not. Hosts and ids that cannot be keys are left out.
    """
    maps: Maps = {name: {} for name in LEADING}
    wild: dict[str, str] = {}
    for route in routes:
        if not is_service(route.service):
            log.error("A service has an id that cannot be named: %r", route.service)
            continue
        for host in route.hosts:
            _add_host(maps[HOSTS], wild, host, route.service)
        maps[ORIGINS][route.service] = _origin(route, origins)
        asked = {name.lower() for end in route.log_endpoints for name in end.fields}
        if names := ",".join(sorted(filter(is_field, asked))):
            maps[FIELDS][route.service] = names
    # The first that matches is taken.
    for suffix in sorted(wild, key=lambda suffix: (-len(suffix), suffix)):
        maps[WILD][suffix] = wild[suffix]
    return maps


def permission_maps(routes: Iterable[Route], *, accepts_websockets: bool) -> Maps:
    """Make the maps that say who may upgrade (R12)."""
    return {
        WEBSOCKETS: {
            route.service: ON if route.websockets else sentence(route.refusal_sentence)
            for route in routes
            if is_service(route.service)
        },
        EDGE: {UPGRADES: ON if accepts_websockets else OFF},
    }


def _origin(route: Route, origins: Mapping[str, str]) -> str:
    if route.origin is None:
        return NONE
    reason = origins.get(route.service)
    return NOT_READY if reason is None else sentence(reason) or ON


def _add_host(
    hosts: dict[str, str], wild: dict[str, str], host: str, service: str
) -> None:
    name = host.removeprefix("*.").removesuffix(".")
    if not is_host(name):
        log.error("A host cannot be a key and is not served: %r", host)
    elif host.startswith("*."):
        wild["." + name] = service
    else:
        hosts[name] = service


def write(maps: Maps, folder: Path) -> None:
    """Write the maps that differ from their files, each atomically. Raises OSError."""
    for name, values in maps.items():
        data = "".join(f"{key} {value}\n" for key, value in values.items()).encode()
        path = folder / name
        if not path.exists() or path.read_bytes() != data:
            atomic_write(path, data)


def commands(
    name: str, held: Mapping[str, str], wanted: Mapping[str, str]
) -> list[str]:
    """Give the commands that make a running worker's map what is wanted."""
    given = [f"del map {name} {key}" for key in held.keys() - wanted.keys()]
    for key, value in wanted.items():
        if key not in held:
            given.append(f"add map {name} {key} {value}")
        elif held[key] != value:
            given.append(f"set map {name} {key} {value}")
    return given
