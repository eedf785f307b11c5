"""Which service a host belongs to, and the copy of the table that outlives the portal."""

import json
from dataclasses import dataclass
from pathlib import Path

from products.edge.contract import Route, RouteTable, parse_json
from products.edge.headers import Rule, loop_field, ready_rules
from products.edge.spool import write_lasting


@dataclass(frozen=True, slots=True)
class Destination:
    """A route with everything made ready that a request needs."""

    route: Route
    rules: tuple[Rule, ...]
    override_host: bytes | None
    loop: tuple[bytes, bytes]  # the field that says a request has been here


class Routes:
    """A route table to look hosts up in."""

    def __init__(self, table: RouteTable) -> None:
        """Index a table by host and by service."""
        self.generation = table.generation
        self.by_service: dict[str, Route] = {}
        self._by_host: dict[str, Destination] = {}
        for route in table.routes:
            self.by_service[route.service] = route
            override = route.origin.override_host if route.origin else None
            destination = Destination(
                route,
                ready_rules(route.header_rules),
                override.encode("ascii", "replace") if override else None,
                loop_field(route.service),
            )
            for host in route.hosts:
                self._by_host[host.removesuffix(".")] = destination

    def find(self, host: str) -> Destination | None:
        """Find a host's service: by its own name, then by `*.` and a name above it."""
        found = self._by_host.get(host)
        while found is None and "." in host:
            host = host.partition(".")[2]
            found = self._by_host.get("*." + host)
        return found


class TableFile:
    """The last good route table on disk."""

    def __init__(self, path: Path) -> None:
        """Keep the table at a path."""
        self._path = path

    def load(self) -> tuple[RouteTable, str] | None:
        """Read the table and its ETag back, or None when there is none that is sound.

        Raises ContractError when the file is damaged.
        """
        if not self._path.exists():
            return None
        document = parse_json(self._path.read_bytes())
        etag = document.pop("etag", "") if isinstance(document, dict) else ""
        return RouteTable.from_json(document), etag if isinstance(etag, str) else ""

    def save(self, table: RouteTable, etag: str) -> None:
        """Replace the table atomically. Raises OSError."""
        document = table.to_json() | {"etag": etag}
        write_lasting(self._path, json.dumps(document).encode())
