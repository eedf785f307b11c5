"""Log endpoints on the wire: `…/logging/https` and `…/logging/syslog` (R10).

The edge writes a line of JSON of its own making when it accepts a request. Of a `format` it takes
the request headers that it names (`%{Name}i`), and adds them to the line.
"""

import re
from collections.abc import Iterable
from typing import Any, ClassVar, Final

from accounts.errors import NotFound
from products.api import fields
from products.api.parts import Kind, PartDetail, PartList
from products.services.models import LogEndpoint, Part, Version

Json = dict[str, Any]
DEFAULT_FORMAT: Final = '%h %l %u %t "%r" %>s %b'
DEFAULT_PORT: Final = 514
REQUEST_HEADER: Final = re.compile(r"%\{([^}:]+)\}i")
UNSET: Final[Json] = dict.fromkeys(
    (
        "placement",
        "response_condition",
        "tls_ca_cert",
        "tls_client_cert",
        "tls_client_key",
        "tls_hostname",
    )
)
HTTPS: Final[Json] = {
    "content_type": "application/json",
    "header_name": None,
    "header_value": None,
    "json_format": "2",  # one JSON value a line
    "message_type": "blank",
    "method": "POST",
    "period": 5,
    "request_max_bytes": 0,
    "request_max_entries": 0,
}
SYSLOG: Final[Json] = {
    "ipv4": None,
    "message_type": "classic",
    "token": None,
    "use_tls": "0",
}


class LogKind(Kind):
    """A log endpoint of one sort."""

    kind: ClassVar[str] = "log_endpoint"
    sort: ClassVar[str] = ""

    def rows(self, version: Version) -> Iterable[Part]:
        """Return the version's log endpoints of this sort."""
        rows = super().rows(version)
        return [
            row
            for row in rows
            if isinstance(row, LogEndpoint) and row.kind == self.sort
        ]

    def found(self, version: Version, name: str) -> Part:
        """Return one of this sort by its name."""
        row = super().found(version, name)
        if not isinstance(row, LogEndpoint) or row.kind != self.sort:
            raise NotFound(
                f"Couldn't find a log endpoint '{name}' of the sort '{self.sort}'"
            )
        return row

    def read(self, sent: Json) -> Json:
        """Return what a body says; an address and a port are kept as one."""
        said: Json = {"kind": self.sort} if "name" in sent else {}
        if self.sort == "https" and "url" in sent:
            said["address"] = sent["url"]
        if self.sort == "syslog" and (sent.get("address") or sent.get("hostname")):
            host = str(sent.get("address") or sent["hostname"])
            said["address"] = f"{_bracketed(host)}:{sent.get('port') or DEFAULT_PORT}"
        if "format" in sent:
            said["fields"] = list(
                dict.fromkeys(REQUEST_HEADER.findall(str(sent["format"])))
            )
        return said

    def shown(self, row: Part, version: Version) -> Json:
        """Show one as Fastly does; what is not kept has Fastly's default."""
        assert isinstance(row, LogEndpoint)  # noqa: S101 - for the type alone
        plain = fields.shown(self.kind, row, version)
        kept = {
            name: plain[name]
            for name in ("name", "service_id", "created_at", "updated_at")
        }
        return (
            kept
            | UNSET
            | {
                "version": str(version.number),
                "deleted_at": None,
                "format": _format(row.fields),
                "format_version": "2",
                "log_processing_region": "none",
            }
            | _where(row)
        )


def _format(names: list[str]) -> str:
    return " ".join(f"%{{{name}}}i" for name in names) or DEFAULT_FORMAT


def _where(row: LogEndpoint) -> Json:
    """Return where the lines go, in the words of the sort."""
    if row.kind == "https":
        return HTTPS | {"url": row.address}
    host, _, port = row.address.rpartition(":")
    host = host.strip("[]")
    return SYSLOG | {"address": host, "hostname": host, "port": int(port)}


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


class LogEndpoints(LogKind, PartList):
    """The log endpoints of one sort."""


class OneLogEndpoint(LogKind, PartDetail):
    """One log endpoint."""
