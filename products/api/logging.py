"""Log endpoints in Fastly's format: `…/logging/https` and `…/logging/syslog` (R10).

The edge writes a line of JSON when it accepts a request; the form of the line is fixed. It adds the
request headers that `format` names (`%{Name}i`).
"""

import re
from collections.abc import Iterable
from typing import Any, ClassVar, Final

from accounts.errors import NotFound
from products.api import fields
from products.api.parts import PartDetail, PartList, PartView
from products.services.models import LogEndpoint, Part, Version

Json = dict[str, Any]
DEFAULT_FORMAT: Final = '%h %l %u %t "%r" %>s %b'
DEFAULT_PORT: Final = 514
REQUEST_HEADER: Final = re.compile(r"%\{([^{}:]{1,255})\}i")
UNSET_FIELDS: Final[Json] = dict.fromkeys(
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
    "json_format": "2",  # one JSON value per line
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


class LogView(PartView):
    """A log endpoint of one kind: https or syslog."""

    kind: ClassVar[str] = "log_endpoint"
    log_kind: ClassVar[str] = ""

    def rows(self, version: Version) -> Iterable[Part]:
        """Return the version's log endpoints of this kind."""
        rows = super().rows(version)
        return [
            row
            for row in rows
            if isinstance(row, LogEndpoint) and row.kind == self.log_kind
        ]

    def found(self, version: Version, name: str) -> Part:
        """Return one of this kind by its name. Raises NotFound."""
        row = super().found(version, name)
        if not isinstance(row, LogEndpoint) or row.kind != self.log_kind:
            raise NotFound(f"Couldn't find the {self.log_kind} log endpoint '{name}'")
        return row

    def read(self, sent: Json) -> Json:
        """Return the fields in a body; an address and a port are stored as one value."""
        values: Json = {"kind": self.log_kind} if "name" in sent else {}
        if self.log_kind == "https" and "url" in sent:
            values["address"] = sent["url"]
        if self.log_kind == "syslog" and (sent.get("address") or sent.get("hostname")):
            host = str(sent.get("address") or sent["hostname"])
            values["address"] = f"{_bracketed(host)}:{sent.get('port') or DEFAULT_PORT}"
        if "format" in sent:
            values["fields"] = list(
                dict.fromkeys(REQUEST_HEADER.findall(str(sent["format"])))
            )
        return values

    def to_json(self, row: Part, version: Version) -> Json:
        """Return one in Fastly's format; settings that are not stored have Fastly's defaults."""
        assert isinstance(row, LogEndpoint)  # noqa: S101 - for mypy
        plain = fields.to_json(self.kind, row, version)
        stored = {
            name: plain[name]
            for name in ("name", "service_id", "created_at", "updated_at")
        }
        return (
            stored
            | UNSET_FIELDS
            | {
                "version": str(version.number),
                "deleted_at": None,
                "format": _format(row.fields),
                "format_version": "2",
                "log_processing_region": "none",
            }
            | _destination(row)
        )


def _format(names: list[str]) -> str:
    return " ".join(f"%{{{name}}}i" for name in names) or DEFAULT_FORMAT


def _destination(row: LogEndpoint) -> Json:
    """Return the address of the receiver, in the fields of the kind."""
    if row.kind == "https":
        return HTTPS | {"url": row.address}
    host, _, port = row.address.rpartition(":")
    host = host.strip("[]")
    return SYSLOG | {"address": host, "hostname": host, "port": int(port)}


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


class LogEndpointList(LogView, PartList):
    """List the log endpoints of one kind, and add one."""


class LogEndpointDetail(LogView, PartDetail):
    """Show, change and remove one log endpoint."""
