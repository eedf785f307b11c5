"""The customer's log: one line when a request is accepted (R10), to a file and to endpoints.

Lines wait in bounded queues. A full queue drops the newest line and counts it. Nothing here
makes a connection wait.
"""

import asyncio
import contextlib
import fcntl
import functools
import json
import logging
import os
import re
import ssl
import tempfile
from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from products.edge.contract import LogTls, Route, RouteLogEndpoint
from products.edge.dns import CachingResolver
from products.edge.headers import NamedFields
from products.instants import iso_instant
from products.lookup import AddressDenied, Unresolvable
from products.protocol import is_field_value, is_token

log = logging.getLogger(__name__)

_LINES_PER_BATCH = 64  # formatting them takes half a millisecond
_FILE_BYTES = 256 * 1024 * 1024  # then the file is rotated; the one before is kept
_MAX_ENDPOINT_LINES = 2_000
_LINES_PER_DELIVERY = 200
_DELIVERY_SECONDS = 10.0  # from the look-up of the name to the response
_PAUSE_SECONDS = 5.0  # after a failure, before the next lines are sent
_SYSLOG_PRIORITY = 134  # facility local0, severity informational (RFC 5424)
_HTTPS_PORT = 443
_PLAIN = re.compile(r"[\x21-\x7e]+")
_STATUS_BYTES = 12
_SUCCESS = re.compile(rb"HTTP/1\.[01] 2[0-9]{2}")
_QUOTE = json.encoder.encode_basestring_ascii
_cached_json = functools.lru_cache(maxsize=4096)(json.dumps)  # texts that repeat


class LoggedRequest(NamedTuple):
    """A request that was accepted or refused. The fields are those of the client."""

    route: Route
    at_us: int  # the wall clock in microseconds
    client: str
    method: bytes
    target: bytes
    host: str
    fields: NamedFields
    refused: str = ""  # why


class AccessLog:
    """Writes a line per request to the local file and to the service's endpoints."""

    def __init__(
        self, edge: str, path: Path, tls: ssl.SSLContext, resolver: CachingResolver
    ) -> None:
        """Name the edge in every line; the file is at `path`."""
        self._edge = edge
        self._file = LogFile(path)
        self._shipper = LogShipper(edge, tls, resolver)
        self._queue: list[LoggedRequest] = []

    def note(self, request: LoggedRequest) -> None:
        """Log a request.

        Lines are formatted later, several together: one at a time costs the connection
        three times as much.
        """
        self._queue.append(request)
        if len(self._queue) >= _LINES_PER_BATCH:
            self.flush()

    async def close(self, seconds: float) -> None:
        """Write what is queued, and send it to endpoints for at most so many seconds."""
        self.flush()
        await self._shipper.close(seconds)

    @property
    def dropped(self) -> int:
        """How many lines the file or an endpoint did not get."""
        return self._file.dropped + self._shipper.dropped

    def flush(self) -> None:
        """Format the queue, write it to the file and ship it."""
        if not self._queue:
            return
        queue, self._queue = self._queue, []
        lines = []
        for request in queue:
            line = self._line(request)
            endpoints = request.route.log_endpoints
            asked = {name for endpoint in endpoints for name in endpoint.fields}
            lines.append(_with_fields(line, request.fields, sorted(asked)))
            for endpoint in endpoints:
                text = _with_fields(line, request.fields, endpoint.fields)
                self._shipper.ship(endpoint, request.route.service, text)
        self._file.write(lines)

    def _line(self, request: LoggedRequest) -> str:
        path = request.target.partition(b"?")[0].decode("latin-1")
        line = (
            f'{{"time":"{iso_instant(request.at_us)}","event":"{"refused" if request.refused else "accepted"}"'
            f',"service":{_cached_json(request.route.service)},"client":{_cached_json(request.client)}'
            f',"method":{_QUOTE(request.method.decode("latin-1"))}'
            f',"host":{_cached_json(request.host)},"path":{_QUOTE(path)},"edge":{_cached_json(self._edge)}'
        )
        if request.refused:
            line += f',"reason":{_cached_json(request.refused)}'
        return line


def _with_fields(line: str, fields: NamedFields, asked: Iterable[str]) -> bytes:
    found = {
        name: ", ".join(value.decode("latin-1") for value in values)
        for name in asked
        if (values := fields.get(name.lower().encode("latin-1", "replace")))
    }
    more = f',"fields":{json.dumps(found, separators=(",", ":"))}' if found else ""
    return f"{line}{more}}}\n".encode()


class LogFile:
    """A JSON Lines file, opened for each write, so that it may be renamed meanwhile.

    It is also rotated here when it has grown, because the usage store needs the disk.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._failure = ""  # of the last write
        self.dropped = 0

    def write(self, lines: Sequence[bytes]) -> None:
        """Append whole lines in one write, because processes share the file."""
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
            descriptor = os.open(self._path, flags, 0o600)
            try:
                self._append(descriptor, b"".join(lines))
            finally:
                os.close(descriptor)
            self._failure = ""
        except OSError as error:
            if self._failure != str(error):
                log.warning("The access log cannot be written: %s", error)
            self._failure = str(error)
            self.dropped += len(lines)

    def _append(self, descriptor: int, data: bytes) -> None:
        written = os.write(descriptor, data)
        if written < len(data):  # the disk is full; the next call raises
            os.write(descriptor, data[written:])
        if os.fstat(descriptor).st_size < _FILE_BYTES:
            return
        # Of several processes one renames it, the others see that it has another name.
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), self._path.stat()):
                self._path.rename(self._path.with_suffix(".jsonl.1"))


def _request_fields(endpoint: RouteLogEndpoint) -> str:
    """Return the fields of a request that the customer chose. Raises Undelivered."""
    given = {"Content-Type": endpoint.content_type or "application/x-ndjson"}
    if endpoint.header_name:
        given[endpoint.header_name] = endpoint.header_value
    for name, value in given.items():
        if not is_token(name) or not is_field_value(value):
            raise Undelivered("a header of the requests is not valid")
    return "".join(f"{name}: {value}\r\n" for name, value in given.items())


@functools.lru_cache(maxsize=256)
def _own_tls(settings: LogTls) -> ssl.SSLContext | None:
    """Return the TLS context of an endpoint with its own authority or certificate; else None.

    Raises Undelivered for what is not a certificate, or a key that needs a passphrase.
    """
    if not settings.ca_cert and not settings.client_cert:
        return None
    try:
        context = ssl.create_default_context(cadata=settings.ca_cert or None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if settings.client_cert:
            _load_client_certificate(context, settings)
    except (ssl.SSLError, ValueError, OSError) as error:
        raise Undelivered("its certificates or key cannot be read") from error
    return context


@functools.lru_cache(maxsize=4096)  # each route table asks for all endpoints
def has_readable_certificates(settings: LogTls) -> bool:
    """Tell whether lines can be sent with an endpoint's own authority and certificate."""
    try:
        _own_tls(settings)
    except Undelivered:
        return False
    return True


def _load_client_certificate(context: ssl.SSLContext, settings: LogTls) -> None:
    # Python reads certificates from files only; only this user can read this one.
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(f"{settings.client_cert}\n{settings.client_key}\n")
        file.flush()
        context.load_cert_chain(file.name, password="")


class Undelivered(Exception):
    """An endpoint did not accept the lines."""


# ValueError: a URL that is none. EOFError: no response.
_DELIVERY_ERRORS = (
    Undelivered, AddressDenied, Unresolvable, ValueError, EOFError, OSError,
)  # fmt: skip


class LogShipper:
    """Queues of lines, one per endpoint, each emptied by its own task."""

    def __init__(
        self, edge: str, tls: ssl.SSLContext, resolver: CachingResolver
    ) -> None:
        """Send under the edge's name. Addresses are checked as those of origins are."""
        self._edge = edge
        self._tls = tls
        self._resolver = resolver
        self._queues: dict[RouteLogEndpoint, deque[tuple[str, bytes]]] = {}
        self._tasks: dict[RouteLogEndpoint, asyncio.Task[None]] = {}
        self.dropped = 0

    def ship(self, endpoint: RouteLogEndpoint, service: str, line: bytes) -> None:
        """Queue a line of a service for an endpoint."""
        queue = self._queues.setdefault(endpoint, deque())
        if len(queue) >= _MAX_ENDPOINT_LINES:
            self.dropped += 1
            return
        queue.append((service, line))
        if endpoint not in self._tasks:
            self._tasks[endpoint] = asyncio.ensure_future(self._empty(endpoint))

    async def close(self, seconds: float) -> None:
        """Send what is queued, for at most so many seconds."""
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=seconds)
        for task in list(self._tasks.values()):
            task.cancel()

    async def _empty(self, endpoint: RouteLogEndpoint) -> None:
        queue = self._queues[endpoint]
        try:
            while queue:
                batch = [
                    queue.popleft() for _ in range(min(_LINES_PER_DELIVERY, len(queue)))
                ]
                try:
                    # For the whole delivery, so that an endpoint that responds slowly is given up.
                    async with asyncio.timeout(_DELIVERY_SECONDS):
                        await self._send(endpoint, batch)
                except _DELIVERY_ERRORS as error:
                    self.dropped += len(batch)
                    log.warning("Log endpoint %s: %s", endpoint.name, error)
                    await asyncio.sleep(_PAUSE_SECONDS)
        finally:
            del self._tasks[endpoint], self._queues[endpoint]

    async def _send(
        self, endpoint: RouteLogEndpoint, batch: Sequence[tuple[str, bytes]]
    ) -> None:
        owner = batch[0][0]
        if endpoint.kind == "https":
            lines = b"".join(line for _, line in batch)
            await self._post(endpoint, lines, owner)
            return
        host, _, port = endpoint.address.rpartition(":")
        if not port.isascii() or not port.isdigit():
            raise Undelivered("the address is not host:port")
        _, writer = await self._connect(endpoint, host.strip("[]"), int(port), owner)
        token = f"{endpoint.token} ".encode() if endpoint.token else b""
        try:
            writer.writelines(
                self._syslog(service, token + line) for service, line in batch
            )
            writer.close()
            await writer.wait_closed()
        finally:
            writer.transport.abort()

    async def _post(self, endpoint: RouteLogEndpoint, body: bytes, owner: str) -> None:
        url = endpoint.address
        parts = urlsplit(url)
        port = parts.port or _HTTPS_PORT
        if parts.scheme != "https" or not parts.hostname or not _PLAIN.fullmatch(url):
            raise Undelivered("the address is not an https URL")
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        head = (
            f"{endpoint.method} {target} HTTP/1.1\r\nHost: {parts.netloc.rpartition('@')[2]}\r\n"
            f"{_request_fields(endpoint)}"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        reader, writer = await self._connect(endpoint, parts.hostname, port, owner)
        try:
            writer.write(head.encode("latin-1") + body)
            await writer.drain()
            status = await reader.readexactly(_STATUS_BYTES)
        finally:
            writer.transport.abort()
        if not _SUCCESS.fullmatch(status):
            raise Undelivered(f"responded with {status!r}")

    async def _connect(
        self, endpoint: RouteLogEndpoint, host: str, port: int, owner: str
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect, with TLS to https and to syslog that asks for it."""
        tls, server_name = None, None
        if endpoint.kind == "https" or endpoint.tls is not None:
            settings = endpoint.tls or LogTls()
            tls = _own_tls(settings) or self._tls
            server_name = settings.server_name or host
        addresses = await self._resolver.addresses(host, port, owner=owner)
        return await asyncio.open_connection(
            str(addresses[0]), port, ssl=tls, server_hostname=server_name
        )

    def _syslog(self, service: str, line: bytes) -> bytes:
        # An RFC 5424 message with RFC 6587's octet counting; the time is in the line.
        head = f"<{_SYSLOG_PRIORITY}>1 - {self._edge} tollgate - {service[:32]} - "
        message = head.encode("ascii", "replace") + line.rstrip(b"\n")
        return b"%d %s" % (len(message), message)
