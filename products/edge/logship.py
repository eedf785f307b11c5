"""Carries log lines to https and syslog endpoints, and drops what they do not take."""

import asyncio
import http.client
import logging
import socket
import ssl
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from products.edge.addresses import Network
from products.edge.contract import LogEndpoint
from products.edge.resolve import Refused, Unresolvable, resolve

log = logging.getLogger(__name__)

_MOST_WAITING = 2_000  # lines an endpoint
_BATCH = 200
_TIMEOUT_SECONDS = 5.0
_PAUSE_SECONDS = 5.0  # after a failure, before the next lines are tried
_SENDERS = 4
_SYSLOG_PRIORITY = 134  # facility local0, severity informational (RFC 5424)
_HTTPS_PORT = 443
_FIRST_ERROR = 300


class Undelivered(Exception):  # noqa: N818 - an event, not a fault
    """An endpoint did not take the lines."""


class LogShipper:
    """Queues of lines, one an endpoint, each emptied by its own task."""

    def __init__(
        self, edge: str, tls: ssl.SSLContext, allowed_private: Sequence[Network]
    ) -> None:
        """Send under the edge's name; addresses are judged as origins' are."""
        self._edge = edge
        self._tls = tls
        self._allowed = tuple(allowed_private)
        self._waiting: dict[LogEndpoint, deque[tuple[str, bytes]]] = {}
        self._tasks: dict[LogEndpoint, asyncio.Task[None]] = {}
        self._threads = ThreadPoolExecutor(_SENDERS, thread_name_prefix="logship")
        self.dropped = 0

    def ship(self, endpoint: LogEndpoint, service: str, line: bytes) -> None:
        """Queue a line of a service for an endpoint."""
        waiting = self._waiting.setdefault(endpoint, deque())
        if len(waiting) >= _MOST_WAITING:
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
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _empty(self, endpoint: LogEndpoint) -> None:
        loop = asyncio.get_running_loop()
        waiting = self._waiting[endpoint]
        try:
            while waiting:
                batch = [waiting.popleft() for _ in range(min(_BATCH, len(waiting)))]
                try:
                    await loop.run_in_executor(
                        self._threads, self._send, endpoint, batch
                    )
                except (Undelivered, Refused, Unresolvable, OSError) as error:
                    self.dropped += len(batch)
                    log.warning("Log endpoint %s: %s", endpoint.name, error)
                    await asyncio.sleep(_PAUSE_SECONDS)
        finally:
            del self._tasks[endpoint], self._waiting[endpoint]

    def _send(self, endpoint: LogEndpoint, batch: Sequence[tuple[str, bytes]]) -> None:
        if endpoint.kind == "https":
            self._post(endpoint.address, b"".join(line for _, line in batch))
        else:
            messages = [self._syslog(service, line) for service, line in batch]
            host, _, port = endpoint.address.rpartition(":")
            if not port.isascii() or not port.isdigit():
                raise Undelivered("the address is not host:port")
            with self._connect(host.strip("[]"), int(port)) as connection:
                connection.sendall(b"".join(messages))

    def _post(self, url: str, body: bytes) -> None:
        try:
            parts = urlsplit(url)
            port = parts.port or _HTTPS_PORT
        except ValueError as error:
            raise Undelivered("the address is not a URL") from error
        if parts.scheme != "https" or not parts.hostname:
            raise Undelivered("the address is not an https URL")
        plain = self._connect(parts.hostname, port)
        connection = http.client.HTTPConnection(parts.hostname, port)
        try:
            connection.sock = self._tls.wrap_socket(
                plain, server_hostname=parts.hostname
            )
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request(
                "POST", path, body, {"Content-Type": "application/x-ndjson"}
            )
            status = connection.getresponse().status
        except (http.client.HTTPException, ValueError) as error:
            raise Undelivered(str(error)) from error
        finally:
            connection.close()
            plain.close()
        if status >= _FIRST_ERROR:
            raise Undelivered(f"answered {status}")

    def _connect(self, host: str, port: int) -> socket.socket:
        addresses = resolve(host, port, self._allowed, timeout_seconds=_TIMEOUT_SECONDS)
        connection = socket.create_connection(
            (str(addresses[0]), port), timeout=_TIMEOUT_SECONDS
        )
        connection.settimeout(_TIMEOUT_SECONDS)
        return connection

    def _syslog(self, service: str, line: bytes) -> bytes:
        # RFC 5424's message in RFC 6587's octet counting; the time is in the line.
        head = f"<{_SYSLOG_PRIORITY}>1 - {self._edge} tollgate - {service[:32]} - "
        message = head.encode("ascii", "replace") + line.rstrip(b"\n")
        return b"%d %s" % (len(message), message)
