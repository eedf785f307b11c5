"""The link to the portal: requests the route table, reports usage and status."""

import asyncio
import contextlib
import functools
import gzip
import http.client
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from msgspec.structs import replace

from products.edge.contract import (
    CREDENTIAL_PATH,
    RENEWAL_HEADER,
    ROUTES_PATH,
    STATUS_HEADER,
    USAGE_PATH,
    ContractError,
    EdgeStatus,
    NewCredential,
    RouteTable,
    UsageAnswer,
    UsageReport,
)
from products.edge.errors import PortalErrorResponse, PortalUnreachable
from products.edge.files import atomic_write
from products.edge.settings import VERSION, Settings
from products.edge.table import TableFile
from products.edge.usage.reporter import Reporter

log = logging.getLogger(__name__)

# A call to the portal failed: no response, an error, or a body that is not as agreed.
PORTAL_ERRORS = (PortalUnreachable, PortalErrorResponse, ContractError)
_TIMEOUT_SECONDS = 10.0  # for each read
_MAX_CALL_SECONDS = 30.0
_MAX_RESPONSE_BYTES = 256 * 1024 * 1024
_MIN_GZIP_BYTES = 4096  # below it the header costs more than it saves
_MAX_PAUSE_SECONDS = 15.0  # between reports while nothing arrives
_LAST_REPORT_SECONDS = 5.0
_RENEWAL_SECONDS = 90.0  # between two attempts to renew the credential


class PortalClient:
    """The calls of the contract, with the edge's own credential.

    `renewal_is_due` says whether the portal's last table asked for a new credential.
    """

    def __init__(self, url: str, credential_file: str, tls: ssl.SSLContext) -> None:
        """Call the portal at a URL. Raises ValueError if it is not an http(s) URL."""
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"The portal's URL is not an http(s) URL: {url}")
        kind = (
            functools.partial(http.client.HTTPSConnection, context=tls)
            if parts.scheme == "https"
            else http.client.HTTPConnection
        )
        self._connect = functools.partial(
            kind, parts.hostname, parts.port, timeout=_TIMEOUT_SECONDS
        )
        self._prefix = parts.path.rstrip("/")
        self._credential_file = Path(credential_file)
        self.renewal_is_due = False

    def routes(self, etag: str, status: EdgeStatus) -> tuple[RouteTable, str] | None:
        """Request the route table: it and its ETag, or None if it is unchanged.

        Blocks. Raises PORTAL_ERRORS.
        """
        headers = {STATUS_HEADER: status.to_bytes().decode("ascii")}
        if etag:
            headers["If-None-Match"] = etag
        response, body = self._call("GET", ROUTES_PATH, b"", headers)
        self.renewal_is_due = RENEWAL_HEADER in response.headers
        if response.status == http.client.NOT_MODIFIED:
            return None
        return RouteTable.from_bytes(body), response.headers.get("ETag", "")

    def usage(self, report: UsageReport) -> UsageAnswer:
        """Send a report. Blocks. Raises PORTAL_ERRORS."""
        body = report.to_bytes()
        headers = {"Content-Type": "application/json"}
        if len(body) >= _MIN_GZIP_BYTES:
            body = gzip.compress(body, compresslevel=1)
            headers["Content-Encoding"] = "gzip"
        _, answer = self._call("POST", USAGE_PATH, body, headers)
        return UsageAnswer.from_bytes(answer)

    def renew_credential(self) -> None:
        """Get the next credential and write it to the file; the one before stays valid meanwhile.

        Blocks. Raises PORTAL_ERRORS, and OSError if the file cannot be replaced; this is
        tried first, so that no new credential is lost.
        """
        atomic_write(self._credential_file, self._credential_file.read_bytes())
        _, answer = self._call("POST", CREDENTIAL_PATH, b"", {})
        secret = NewCredential.from_bytes(answer).secret
        atomic_write(self._credential_file, f"{secret}\n".encode("ascii"))

    def _call(
        self, method: str, path: str, body: bytes, headers: dict[str, str]
    ) -> tuple[http.client.HTTPResponse, bytes]:
        """Return the response, a 200 or 304, with its body."""
        try:
            secret = self._credential_file.read_text("ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise PortalUnreachable(f"The credential is unreadable: {error}") from error
        headers = headers | {"Authorization": f"Bearer {secret}", "Connection": "close"}
        connection = self._connect()
        try:
            connection.connect()
            # Its own time-out is for each read, and a response may come in drops.
            end = functools.partial(connection.sock.shutdown, socket.SHUT_RDWR)
            limit = threading.Timer(_MAX_CALL_SECONDS, end)
            limit.start()
            try:
                connection.request(method, self._prefix + path, body or None, headers)
                response = connection.getresponse()
                answer = response.read(_MAX_RESPONSE_BYTES + 1)
            finally:
                limit.cancel()
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise PortalUnreachable(str(error) or type(error).__name__) from error
        finally:
            connection.close()
        if len(answer) > _MAX_RESPONSE_BYTES:
            raise PortalUnreachable("The response is too large.")
        if response.status not in {http.client.OK, http.client.NOT_MODIFIED}:
            raise PortalErrorResponse(response.status, answer)
        return response, answer


class PortalLink:
    """What an edge gets from its portal and sends there; both engines use it.

    `table` is the newest route table: the portal's, or at first the last one that was saved.
    """

    def __init__(self, settings: Settings, client: PortalClient) -> None:
        """Load the table that was saved last."""
        data = Path(settings.data_dir)
        self._client = client
        self._file = TableFile(data / "routes.json")
        self._etag = ""
        self._report_seconds = self._pause = settings.report_seconds
        self._next_renewal = 0.0  # by the monotonic clock
        self.table: RouteTable | None = None
        try:
            self.table, self._etag = self._file.load() or (None, "")
        except (ContractError, OSError) as error:
            log.warning("The table on disk is not used: %s", error)
        self.reporter = Reporter(
            settings.name, data / "usage", client.usage, max_bytes=settings.store_bytes
        )

    async def poll(self, status: EdgeStatus) -> RouteTable | None:
        """Send the engine's status, and return the route table if it is a new one.

        The caller follows it, then calls `save`, or `reject` if it cannot. If the portal
        is unreachable, the edge keeps using the table that it has.
        """
        status = replace(
            status, version=VERSION, at=time.time(), **self.reporter.status()
        )
        try:
            response = await asyncio.to_thread(self._client.routes, self._etag, status)
            await self._renew_credential()
            if response is None:
                self._file.confirm()
                return None
        except PORTAL_ERRORS as error:
            self._file.log_staleness(str(error))
            return None
        except OSError as error:
            log.warning("The table on disk could not be confirmed: %s", error)
            return None
        self.table, self._etag = response
        return self.table

    async def _renew_credential(self) -> None:
        """Renew the credential if the portal asks for it; on a failure the old one stays in use."""
        if not self._client.renewal_is_due or time.monotonic() < self._next_renewal:
            return
        self._next_renewal = time.monotonic() + _RENEWAL_SECONDS
        try:
            await asyncio.to_thread(self._client.renew_credential)
        except (OSError, *PORTAL_ERRORS) as error:
            log.warning("The credential, which ends soon, is not renewed: %s", error)
        else:
            log.info("The credential was renewed.")

    async def save(self) -> None:
        """Save the table for the next start."""
        if self.table is None:
            return
        try:
            await asyncio.to_thread(self._file.save, self.table, self._etag)
        except OSError as error:
            log.warning("The table could not be saved: %s", error)

    def reject(self, table: RouteTable, reason: str) -> None:
        """Log that a table cannot be followed, and request it again unless there is a newer one."""
        self._file.log_staleness(reason)
        if table is self.table:
            self._etag = ""

    async def report(
        self, is_running: Callable[[str], bool], *, is_writable: bool
    ) -> float:
        """Report usage, and return the seconds to wait before the next report.

        The arguments are those of `Reporter.run`. The pause grows as long as nothing
        arrives. If a part arrives, the portal is there and the rest has waited long enough.
        """
        before = self.reporter.answers
        is_complete = False
        try:
            await asyncio.to_thread(
                self.reporter.run, is_running, is_writable=is_writable
            )
            is_complete = True
        except PORTAL_ERRORS as error:
            log.info("Usage waits in the store: %s", error)
        except Exception:  # no fault may end all later reports
            log.exception("The report could not be made.")
        if is_complete or self.reporter.answers > before:
            self._pause = self._report_seconds
        else:
            longest = max(self._report_seconds, _MAX_PAUSE_SECONDS)
            self._pause = min(2 * self._pause, longest)
        return self._pause

    async def last_report(
        self, is_running: Callable[[str], bool], *, is_writable: bool
    ) -> None:
        """Report usage for the last time, within a few seconds."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(
                self.report(is_running, is_writable=is_writable), _LAST_REPORT_SECONDS
            )
