"""A proxy between an edge and the portal that disturbs reports like networks and servers do."""

import http.client
import random
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from tests.serving import serve_in_thread

FORWARDED_HEADERS = (
    "Authorization",
    "Content-Type",
    "Content-Encoding",
    "If-None-Match",
    "X-Edge-Status",
)
NO_LINGER = struct.pack("ii", 1, 0)  # close() sends a reset
Answer = tuple[int, bytes]


class FaultProxy:
    """Forwards everything, with one fault per report from a plan in random order.

    While `is_down`, every report is answered with 503. Some reports are kept;
    `deliver_late` sends them to the portal again.
    """

    def __init__(self, portal: str, *, seed: int, times: int) -> None:
        """Listen, and plan every fault so many times; a report passes after every second fault.

        An edge whose reports fail in a row waits longer each time.
        """
        chance = random.Random(seed)
        faults = list(FAULTS) * times
        chance.shuffle(faults)
        self._plan = [
            each
            for pair in zip(faults[::2], faults[1::2], strict=True)
            for each in ("forwarded", *pair)
        ]
        self._chance = chance
        self._portal = urlsplit(portal)
        self._lock = threading.Lock()
        self._late: list[tuple[str, Mapping[str, str], bytes]] = []
        self.is_down = False
        self.done: Counter[str] = Counter()
        self.largest_packed = (
            0  # bytes of the largest gzipped report that the portal accepted
        )
        proxy = self

        class Handler(_Handler):
            owner = proxy

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        serve_in_thread(self._server)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @property
    def is_through(self) -> bool:
        """Tell whether every planned fault has happened."""
        return not self._plan

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()

    def next_fault(self) -> str:
        """Return what happens to the next report."""
        with self._lock:
            if self.is_down:
                return "503 before"
            fault = self._plan.pop() if self._plan else "forwarded"
            self.done[fault] += 1
            return fault

    def keep(self, path: str, headers: Mapping[str, str], body: bytes) -> None:
        """Keep a report for `deliver_late`."""
        with self._lock:
            self._late.append((path, headers, body))

    def deliver_late(self) -> None:
        """Send the kept reports to the portal in any order, and ignore the responses."""
        with self._lock:
            late, self._late = self._late, []
        self._chance.shuffle(late)
        for path, headers, body in late:
            self.forward("POST", path, headers, body)

    def forward(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[Answer, Mapping[str, str]]:
        """Send a request to the portal; return status, body and headers of the response."""
        connection = self._connect()
        try:
            connection.request(method, path, body or None, dict(headers))
            response = connection.getresponse()
            answer = response.read()
            if headers.get("Content-Encoding") == "gzip" and response.status == 200:
                self.largest_packed = max(self.largest_packed, len(body))
            return (response.status, answer), dict(response.getheaders())
        finally:
            connection.close()

    def forward_half(self, path: str, headers: Mapping[str, str], body: bytes) -> None:
        """Send half of a report and close the connection."""
        connection = self._connect()
        connection.putrequest("POST", path, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body[: len(body) // 2])
        connection.close()

    def _connect(self) -> http.client.HTTPConnection:
        where = self._portal
        return http.client.HTTPConnection(where.hostname or "", where.port, timeout=30)


class _Handler(BaseHTTPRequestHandler):
    owner: FaultProxy

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's
        """Log nothing."""

    def do_GET(self) -> None:
        """Forward a poll for the route table."""
        (status, body), fields = self._forward(b"")
        self._answer(status, body, fields)

    def do_POST(self) -> None:
        """Apply the next fault to a report."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        FAULTS.get(self.owner.next_fault(), _Handler.forwarded)(self, body)

    def forwarded(self, body: bytes) -> None:
        """Forward it without a fault."""
        (status, answer), fields = self._forward(body)
        self._answer(status, answer, fields)

    def answer_dropped(self, body: bytes) -> None:
        """Deliver it, and close the connection to the edge."""
        self._forward(body)
        self.close_connection = True

    def answer_cut(self, body: bytes) -> None:
        """Send the edge half a response."""
        (_, answer), _ = self._forward(body)
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer[: len(answer) // 2])
        self.close_connection = True

    def twice(self, body: bytes) -> None:
        """Deliver it twice."""
        self._forward(body)
        self.forwarded(body)

    def twice_concurrently(self, body: bytes) -> None:
        """Deliver it twice at the same time."""
        other = threading.Thread(target=self._forward, args=[body], daemon=True)
        other.start()
        self.forwarded(body)
        other.join(60)

    def again_later(self, body: bytes) -> None:
        """Deliver it, and again after others."""
        self.owner.keep(self.path, self._fields(), body)
        self.forwarded(body)

    def held_back(self, body: bytes) -> None:
        """Answer that it failed, and deliver it later anyway."""
        self.owner.keep(self.path, self._fields(), body)
        self._answer(503, b"")

    def late_ones_first(self, body: bytes) -> None:
        """Deliver the kept reports, then this."""
        self.owner.deliver_late()
        self.forwarded(body)

    def request_cut(self, body: bytes) -> None:
        """Deliver half of it, and reset the connection to the edge."""
        self.owner.forward_half(self.path, self._fields(), body)
        self._reset()

    def reset_before(self, body: bytes) -> None:
        """Reset the connection instead of delivering it."""
        self._reset()

    def reset_after(self, body: bytes) -> None:
        """Deliver it, and reset the connection instead of answering."""
        self._forward(body)
        self._reset()

    def internal_error_before(self, body: bytes) -> None:
        """Answer 500 without delivering it."""
        self._answer(500, b"<h1>Server Error</h1>")

    def internal_error_after(self, body: bytes) -> None:
        """Deliver it, and answer 500."""
        self._forward(body)
        self._answer(500, b"<h1>Server Error</h1>")

    def unavailable_before(self, body: bytes) -> None:
        """Answer 503 without delivering it."""
        self._answer(503, b"")

    def slow(self, body: bytes) -> None:
        """Deliver it after a while."""
        time.sleep(0.5)
        self.forwarded(body)

    def _fields(self) -> dict[str, str]:
        return {
            name: self.headers[name]
            for name in FORWARDED_HEADERS
            if name in self.headers
        }

    def _forward(self, body: bytes) -> tuple[Answer, Mapping[str, str]]:
        try:
            return self.owner.forward(self.command, self.path, self._fields(), body)
        except OSError:
            return (502, b""), {}

    def _answer(
        self, status: int, body: bytes, fields: Mapping[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for name in ("Content-Type", "ETag"):
            if fields and (value := fields.get(name) or fields.get(name.lower())):
                self.send_header(name, value)
        if status != 304:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        self.connection.close()
        self.close_connection = True


FAULTS: Mapping[str, Callable[[_Handler, bytes], None]] = {
    "answer dropped after the commit": _Handler.answer_dropped,
    "answer cut": _Handler.answer_cut,
    "request cut": _Handler.request_cut,
    "delivered twice": _Handler.twice,
    "delivered twice concurrently": _Handler.twice_concurrently,
    "delivered again later": _Handler.again_later,
    "held back": _Handler.held_back,
    "late ones first": _Handler.late_ones_first,
    "reset before": _Handler.reset_before,
    "reset after": _Handler.reset_after,
    "500 before": _Handler.internal_error_before,
    "500 after": _Handler.internal_error_after,
    "503 before": _Handler.unavailable_before,
    "slow": _Handler.slow,
}
