"""Bodies sent in chunks, without a length: through the shipped proxy, and by the web server itself."""

import json
import socket
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPResponse
from typing import Any

import pytest

from tests.deploy.production import Production

pytestmark = pytest.mark.haproxy
KIB = 1024
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
INVALID = {JSON: b'{"name": ', FORM: b"name=%ff"}
# What only a server that has read the body can say.
TEXTS = {JSON: "The body is not valid JSON.", FORM: "The form is not UTF-8."}


@dataclass(frozen=True, slots=True)
class Sender:
    """Sends requests with a token to the proxy, or to the web server as the proxy would."""

    portal: Production
    token: str
    service: str
    is_direct: bool

    def send(
        self, request: str, media_type: str, chunks: Iterable[bytes], key: str = ""
    ) -> tuple[int, Any]:
        """Send a body in chunks; return the status and the body of the response."""
        forwarded = "X-Forwarded-For: 127.0.0.9\r\nX-Forwarded-Proto: https\r\n"
        head = (
            f"{request.format(service=self.service)} HTTP/1.1\r\n"
            f"Host: {self.portal.host}\r\nConnection: close\r\n{key or self.key}"
            f"Content-Type: {media_type}\r\nTransfer-Encoding: chunked\r\n"
            f"{forwarded if self.is_direct else ''}\r\n"
        )
        with self._connection() as connection:
            connection.sendall(head.encode())
            for chunk in chunks:
                connection.sendall(b"%x\r\n%b\r\n" % (len(chunk), chunk))
            with suppress(OSError):  # a body that is too large may be answered by now
                connection.sendall(b"0\r\n\r\n")
            response = HTTPResponse(connection)
            response.begin()
            return response.status, json.loads(response.read())

    @property
    def key(self) -> str:
        """Return the header with the token."""
        return f"Fastly-Key: {self.token}\r\n"

    def _connection(self) -> socket.socket:
        if self.is_direct:
            port = self.portal.ports["PORT"]
            return socket.create_connection(("127.0.0.1", port), 20)
        return self.portal.tls()


@pytest.fixture(params=["web server", "proxy"])
def sender(request, portal):
    is_direct = request.param == "web server"
    return Sender(portal, portal.made["token"], portal.made["service"], is_direct)


@pytest.mark.parametrize("media_type", [JSON, FORM])
@pytest.mark.parametrize(
    "request_line",
    [
        "POST /api/service",
        "PUT /api/enabled-products/v1/websockets/services/{service}",
        "POST /api/v1/domain-claims",
    ],
)
def test_the_body_is_read(sender, request_line, media_type):
    status, answer = sender.send(request_line, media_type, [INVALID[media_type]])

    assert status == 400
    assert answer["detail"] == TEXTS[media_type]


@pytest.mark.parametrize(
    ("media_type", "chunks"),
    [
        (JSON, [b'{"comm', b'ent": "in pie', b'ces"}']),
        (FORM, [b"comment=in", b"+pieces"]),
    ],
)
def test_chunks_are_one_body(sender, media_type, chunks):
    status, answer = sender.send("PUT /api/service/{service}", media_type, chunks)

    assert status == 200
    assert answer["comment"] == "in pieces"


@pytest.mark.parametrize("media_type", [JSON, FORM])
def test_a_body_above_the_limit_is_refused(sender, media_type):
    chunks = [b"x" * 64 * KIB] * 16 + [b"x"]

    status, answer = sender.send("PUT /api/service/{service}", media_type, chunks)

    assert status == 413
    assert answer["detail"] == "The body may have at most 1024 KiB."


def test_a_stranger_may_send_less(sender):
    chunks = [b"x" * 64 * KIB, b"x"]

    status, answer = sender.send("POST /api/sudo", FORM, chunks, key="X-No-Key: 1\r\n")

    assert status == 413
    assert answer["detail"] == "The body may have at most 64 KiB."
