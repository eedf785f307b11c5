"""Carries log lines to https and syslog endpoints, and drops what they do not take."""

import asyncio
import logging
import re
import ssl
from collections import deque
from collections.abc import Sequence
from urllib.parse import urlsplit

from products.edge.addresses import Network
from products.edge.contract import RouteLogEndpoint
from products.edge.lookup import CachingResolver
from products.edge.resolve import AddressDenied, Unresolvable

log = logging.getLogger(__name__)

_MAX_QUEUED_LINES = 2_000  # lines an endpoint
_BATCH = 200
_DELIVERY_SECONDS = 10.0  # from the look-up of the name to the answer
_PAUSE_SECONDS = 5.0  # after a failure, before the next lines are tried
_SYSLOG_PRIORITY = 134  # facility local0, severity informational (RFC 5424)
_HTTPS_PORT = 443
_FIRST_ERROR = 300
_PLAIN = re.compile(r"[\x21-\x7e]+")
_STATUS = re.compile(rb"HTTP/1\.[01] ([2-9][0-9]{2})[ \r]")


class Undelivered(Exception):
    """An endpoint did not take the lines."""


class LogShipper:
    """Queues of lines, one an endpoint, each emptied by its own task."""

    def __init__(
        self, edge: str, tls: ssl.SSLContext, allowed_private: Sequence[Network]
    ) -> None:
        """Send under the edge's name; addresses are judged as origins' are."""
        self._edge = edge
        self._tls = tls
        self._names = CachingResolver(
            allowed_private, timeout_seconds=_DELIVERY_SECONDS / 2
        )
        self._waiting: dict[RouteLogEndpoint, deque[tuple[str, bytes]]] = {}
        self._tasks: dict[RouteLogEndpoint, asyncio.Task[None]] = {}
        self.dropped = 0

    def ship(self, endpoint: RouteLogEndpoint, service: str, line: bytes) -> None:
        """Queue a line of a service for an endpoint."""
        waiting = self._waiting.setdefault(endpoint, deque())
        if len(waiting) >= _MAX_QUEUED_LINES:
            self.dropped += 1
            return
        waiting.append((service, line))
        if endpoint not in self._tasks:
            self._tasks[endpoint] = asyncio.ensure_future(self._empty(endpoint))

    async def close(self, seconds: float) -> None:
        """Give the endpoints a last chance of so many seconds."""
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=seconds)
        for task in list(self._tasks.values()):
            task.cancel()

    async def _empty(self, endpoint: RouteLogEndpoint) -> None:
        waiting = self._waiting[endpoint]
        try:
            while waiting:
                batch = [waiting.popleft() for _ in range(min(_BATCH, len(waiting)))]
                try:
                    # For all of it: who answers drop by drop must not take for ever.
                    async with asyncio.timeout(_DELIVERY_SECONDS):
                        await self._send(endpoint, batch)
                except (Undelivered, AddressDenied, Unresolvable, OSError) as error:
                    self.dropped += len(batch)
                    log.warning("Log endpoint %s: %s", endpoint.name, error)
                    await asyncio.sleep(_PAUSE_SECONDS)
        finally:
            del self._tasks[endpoint], self._waiting[endpoint]

    async def _send(
        self, endpoint: RouteLogEndpoint, batch: Sequence[tuple[str, bytes]]
    ) -> None:
        owner = batch[0][0]
        if endpoint.kind == "https":
            lines = b"".join(line for _, line in batch)
            await self._post(endpoint.address, lines, owner)
            return
        host, _, port = endpoint.address.rpartition(":")
        if not port.isascii() or not port.isdigit():
            raise Undelivered("the address is not host:port")
        _, writer = await self._connect(host.strip("[]"), int(port), owner)
        try:
            writer.writelines(self._syslog(service, line) for service, line in batch)
            writer.close()
            await writer.wait_closed()
        finally:
            writer.transport.abort()

    async def _post(self, url: str, body: bytes, owner: str) -> None:
        try:
            parts = urlsplit(url)
            port = parts.port or _HTTPS_PORT
        except ValueError as error:
            raise Undelivered("the address is not a URL") from error
        if parts.scheme != "https" or not parts.hostname or not _PLAIN.fullmatch(url):
            raise Undelivered("the address is not an https URL")
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        head = (
            f"POST {target} HTTP/1.1\r\nHost: {parts.netloc.rpartition('@')[2]}\r\n"
            "Content-Type: application/x-ndjson\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        reader, writer = await self._connect(
            parts.hostname, port, owner, server_name=parts.hostname
        )
        try:
            writer.write(head.encode("ascii") + body)
            await writer.drain()
            try:
                line = await reader.readuntil(b"\n")
            except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
                raise Undelivered("no answer") from error
        finally:
            writer.transport.abort()
        answer = _STATUS.match(line)
        if answer is None or int(answer[1]) >= _FIRST_ERROR:
            raise Undelivered(f"answered {line[:40]!r}")

    async def _connect(
        self, host: str, port: int, owner: str, *, server_name: str | None = None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        addresses = await self._names.addresses(host, port, owner=owner)
        return await asyncio.open_connection(
            str(addresses[0]),
            port,
            ssl=self._tls if server_name else None,
            server_hostname=server_name,
        )

    def _syslog(self, service: str, line: bytes) -> bytes:
        # RFC 5424's message in RFC 6587's octet counting; the time is in the line.
        head = f"<{_SYSLOG_PRIORITY}>1 - {self._edge} tollgate - {service[:32]} - "
        message = head.encode("ascii", "replace") + line.rstrip(b"\n")
        return b"%d %s" % (len(message), message)
