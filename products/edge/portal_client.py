"""Speaks with the portal: asks for the route table, hands usage in."""

import gzip
import http.client
import json
import ssl
from pathlib import Path
from urllib.parse import urlsplit

from products.edge.contract import (
    ROUTES_PATH,
    STATUS_HEADER,
    USAGE_PATH,
    ContractError,
    EdgeStatus,
    RouteTable,
    UsageAnswer,
    UsageReport,
)

_TIMEOUT_SECONDS = 10.0
_MAX_RESPONSE_BYTES = 256 * 1024 * 1024
_GZIP_FROM = 4096  # bytes; below it the header costs more than it saves
_SHOWN = 200  # characters of an answer that is an error
_RECORDS = ("connections[", "delivery[")  # places in a ContractError


class PortalUnreachable(Exception):
    """The portal did not answer, or not as agreed; later it may."""


class PortalErrorResponse(Exception):
    """The portal answered with an error status."""

    def __init__(self, status: int, body: bytes) -> None:
        """Keep the status, and the beginning of what was said."""
        said = body[:_SHOWN].decode("utf-8", "replace")
        super().__init__(f"The portal answered {status}: {said}")
        self.status = status
        self.names_a_record = status == http.client.BAD_REQUEST and _detail_of(
            body
        ).startswith(_RECORDS)
        """Whether the portal itself says that it cannot read one of the records."""


class PortalClient:
    """The two calls of the contract, with the edge's own credential."""

    def __init__(self, url: str, credential_file: str, tls: ssl.SSLContext) -> None:
        """Call the portal at a URL. Raises ValueError when it is not an http URL."""
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"The portal's address is not an http(s) URL: {url}")
        self._host = parts.hostname
        self._port = parts.port
        self._prefix = parts.path.rstrip("/")
        self._tls = tls if parts.scheme == "https" else None
        self._credential_file = Path(credential_file)

    def routes(self, etag: str, status: EdgeStatus) -> tuple[RouteTable, str] | None:
        """Request the route table: it and its ETag, or None if it is unchanged.

        Blocks. Raises PortalUnreachable, PortalErrorResponse, ContractError.
        """
        headers = {STATUS_HEADER: status.to_bytes().decode("ascii")}
        if etag:
            headers["If-None-Match"] = etag
        code, answered, body = self._call("GET", ROUTES_PATH, b"", headers)
        if code == http.client.NOT_MODIFIED:
            return None
        if code != http.client.OK:
            raise PortalErrorResponse(code, body)
        return RouteTable.from_bytes(body), answered.get("ETag", "")

    def usage(self, report: UsageReport) -> UsageAnswer:
        """Hand a report in. Blocks; raises PortalUnreachable, PortalErrorResponse."""
        body = report.to_bytes()
        headers = {"Content-Type": "application/json"}
        if len(body) >= _GZIP_FROM:
            body = gzip.compress(body, compresslevel=1)
            headers["Content-Encoding"] = "gzip"
        code, _, answer = self._call("POST", USAGE_PATH, body, headers)
        if code != http.client.OK:
            raise PortalErrorResponse(code, answer)
        try:
            return UsageAnswer.from_bytes(answer)
        except ContractError as error:
            raise PortalUnreachable(str(error)) from error

    def _call(
        self, method: str, path: str, body: bytes, headers: dict[str, str]
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        try:
            secret = self._credential_file.read_text("ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise PortalUnreachable(
                f"The credential cannot be read: {error}"
            ) from error
        headers = headers | {"Authorization": f"Bearer {secret}", "Connection": "close"}
        connection = self._connection()
        try:
            connection.request(method, self._prefix + path, body or None, headers)
            response = connection.getresponse()
            answer = response.read(_MAX_RESPONSE_BYTES + 1)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise PortalUnreachable(str(error) or type(error).__name__) from error
        finally:
            connection.close()
        if len(answer) > _MAX_RESPONSE_BYTES:
            raise PortalUnreachable("The answer is too large.")
        return response.status, response.headers, answer

    def _connection(self) -> http.client.HTTPConnection:
        if self._tls is None:
            connection = http.client.HTTPConnection(
                self._host, self._port, timeout=_TIMEOUT_SECONDS
            )
        else:
            connection = http.client.HTTPSConnection(
                self._host, self._port, timeout=_TIMEOUT_SECONDS, context=self._tls
            )
        return connection


def _detail_of(body: bytes) -> str:
    """Give what the portal's own form of an error says went wrong; else ""."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    detail = document.get("detail") if isinstance(document, dict) else None
    return detail if isinstance(detail, str) else ""
