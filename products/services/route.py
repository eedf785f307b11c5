"""A version's parts as the edge reads them: hosts, origin, header rules, log endpoints."""

from dataclasses import dataclass
from typing import Literal

from products import protocol
from products.compatibility.header_rules import reason_ignored
from products.compatibility.version_config import carrying_backend
from products.edge.contract import HeaderRule, Origin, RouteLogEndpoint
from products.services.describe import describe_header, in_order
from products.services.models import Backend, Header, Version

ACTIONS: dict[str, Literal["set", "append", "delete"]] = {
    "set": "set",
    "append": "append",
    "delete": "delete",
}
DELIVERED_LOG_KINDS: dict[str, Literal["https", "syslog"]] = {
    "https": "https",
    "syslog": "syslog",
}


@dataclass(frozen=True, slots=True)
class RouteParts:
    """What a version contributes to its service's route."""

    hosts: tuple[str, ...]
    origin: Origin | None
    header_rules: tuple[HeaderRule, ...]
    log_endpoints: tuple[RouteLogEndpoint, ...]


def route_parts(version: Version) -> RouteParts:
    """Return what the edge needs of a version: four queries, none `describe.with_parts`.

    The first backend added carries the connections (R8). Of the header rules those are given that
    the edge can carry out to the letter (R11): about the request, setting, appending or deleting,
    under no condition. Of the log endpoints, those of a kind that it can send to (R10).
    """
    carrying = carrying_backend(in_order(version.backends.all()))
    return RouteParts(
        hosts=tuple(sorted(row.name for row in version.domains.all())),
        origin=_origin(carrying) if carrying else None,
        header_rules=tuple(
            HeaderRule(ACTIONS[row.action], protocol.header_name(row.dst), _value(row))
            for row in sorted(
                version.headers.all(), key=lambda row: (row.priority, row.pk)
            )
            if is_carried_out(row)
        ),
        log_endpoints=tuple(
            RouteLogEndpoint(
                DELIVERED_LOG_KINDS[row.kind], row.name, row.address, tuple(row.fields)
            )
            for row in in_order(version.logendpoints.all())
            if row.kind in DELIVERED_LOG_KINDS
        ),
    )


def is_carried_out(rule: Header) -> bool:
    """Tell whether the edge carries a header rule out; one it would get wrong it leaves alone."""
    return not reason_ignored(describe_header(rule))


def _origin(backend: Backend) -> Origin:
    return Origin(
        name=backend.name,
        address=backend.address,
        port=backend.port,
        use_tls=backend.use_ssl,
        override_host=backend.override_host,
    )


def _value(rule: Header) -> str:
    return (
        "" if rule.action == Header.Action.DELETE else protocol.header_value(rule.src)
    )
