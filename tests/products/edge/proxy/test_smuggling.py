"""Requests that two servers could read differently: refused, or read as the origin reads them."""

import pytest

from tests.products.edge.fake_portal import eventually
from tests.products.edge.running import status_of
from tests.products.edge.scripted import plain_answer

HOST = b"@HOST@"
REFUSED = None
HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: internal.test\r\n\r\n"


def post(*fields, body=b"", line=b"POST / HTTP/1.1"):
    return b"\r\n".join([line, b"Host: " + HOST, *fields, b"", b""]) + body


CHUNKED = b"Transfer-Encoding: chunked"
END = b"0\r\n\r\n"
FIVE = b"5\r\nhello\r\n"

# Each raw request, and the body its origin must see; None when it must be refused.
CORPUS = {
    "CL.TE": (post(b"Content-Length: 6", CHUNKED, body=END + b"G"), REFUSED),
    "TE.CL": (post(CHUNKED, b"Content-Length: 4", body=b"5c\r\n" + HIDDEN), REFUSED),
    "TE.TE": (post(CHUNKED, CHUNKED, body=END + HIDDEN), REFUSED),
    "TE with identity": (post(CHUNKED, b"Transfer-Encoding: identity", body=END), REFUSED),
    "TE as a list": (post(b"Transfer-Encoding: gzip, chunked", body=END), REFUSED),
    "TE twice in a list": (post(b"Transfer-Encoding: chunked, chunked", body=END), REFUSED),
    "TE xchunked": (post(b"Transfer-Encoding: xchunked", body=END), REFUSED),
    "TE in quotes": (post(b'Transfer-Encoding: "chunked"', body=END), REFUSED),
    "TE with a parameter": (post(b"Transfer-Encoding: chunked;a=b", body=END), REFUSED),
    "TE empty": (post(b"Transfer-Encoding:", body=END), REFUSED),
    "TE with a vertical tab": (post(b"Transfer-Encoding:\x0bchunked", body=END), REFUSED),
    "TE with a space before the colon": (post(b"Transfer-Encoding : chunked", body=END), REFUSED),
    "TE with a tab before the colon": (post(b"Transfer-Encoding\t: chunked", body=END), REFUSED),
    "TE with a space before the name": (post(b" Transfer-Encoding: chunked", body=END), REFUSED),
    "TE folded": (post(b"Transfer-Encoding:\r\n chunked", body=END), REFUSED),
    "TE with an underscore": (post(b"Transfer_Encoding: chunked", body=END), REFUSED),
    "TE in HTTP/1.0": (post(CHUNKED, line=b"POST / HTTP/1.0", body=FIVE + END), REFUSED),
    "TE in capitals": (post(b"TRANSFER-ENCODING: CHUNKED", body=FIVE + END), b"hello"),
    "TE after a bare line feed": (post(b"X: a\nTransfer-Encoding: chunked", body=END), REFUSED),
    "TE after a bare return": (post(b"X: a\rTransfer-Encoding: chunked", body=END), REFUSED),
    "TE after a null": (post(b"X: a\x00\r\nTransfer-Encoding: chunked", body=END), REFUSED),
    "CL twice, alike": (post(b"Content-Length: 5", b"Content-Length: 5", body=b"hello"), REFUSED),
    "CL twice, unlike": (post(b"Content-Length: 5", b"Content-Length: 0", body=b"hello"), REFUSED),
    "CL as a list": (post(b"Content-Length: 5, 5", body=b"hello"), REFUSED),
    "CL with a sign": (post(b"Content-Length: +5", body=b"hello"), REFUSED),
    "CL in hexadecimal": (post(b"Content-Length: 0x5", body=b"hello"), REFUSED),
    "CL with an underscore in it": (post(b"Content-Length: 1_0", body=b"hello"), REFUSED),
    "CL with a space in it": (post(b"Content-Length: 1 0", body=b"hello"), REFUSED),
    "CL that overflows": (post(b"Content-Length: 18446744073709551621", body=b"hello"), REFUSED),
    "CL with an underscore": (post(b"Content_Length: 5", body=b"hello"), REFUSED),
    "CL with zeros before it": (post(b"Content-Length: 005", body=b"hello"), b"hello"),
    "CL and a second request": (post(b"Content-Length: 5", body=b"hello" + HIDDEN), b"hello"),
    "chunks and a second request": (post(CHUNKED, body=FIVE + END + HIDDEN), b"hello"),
    "a chunk with an extension": (post(CHUNKED, body=b"5;a=b\r\nhello\r\n" + END), b"hello"),
    "chunks and a trailer": (post(CHUNKED, body=FIVE + b"0\r\nX-A: b\r\n\r\n"), b"hello"),
    "chunks and a trailer of a length": (
        post(CHUNKED, body=FIVE + b"0\r\nContent-Length: 99\r\n\r\n"),
        REFUSED,
    ),
    "a chunk of a bare line feed": (post(CHUNKED, body=b"5\nhello\r\n" + END), REFUSED),
    "a chunk ended by a line feed": (post(CHUNKED, body=b"5\r\nhello\n" + END), REFUSED),
    "a chunk longer than it says": (post(CHUNKED, body=b"4\r\nhello\r\n" + END), REFUSED),
    "a chunk of negative size": (post(CHUNKED, body=b"-5\r\nhello\r\n" + END), REFUSED),
    "a chunk in 0x": (post(CHUNKED, body=b"0x5\r\nhello\r\n" + END), REFUSED),
    "a chunk of a size that overflows": (
        post(CHUNKED, body=b"10000000000000005\r\nhello\r\n" + END),
        REFUSED,
    ),
    "a chunk with a line feed in its extension": (
        post(CHUNKED, body=b"5;a\nb\r\nhello\r\n" + END),
        REFUSED,
    ),
    "a GET with a second request in its body": (
        post(b"Content-Length: %d" % len(HIDDEN), body=HIDDEN, line=b"GET / HTTP/1.1"),
        HIDDEN,
    ),
    "a GET and a second request": (post(line=b"GET / HTTP/1.1", body=HIDDEN), b""),
    "Connection that names the length": (
        post(b"Connection: Content-Length", b"Content-Length: 5", body=b"hello"),
        b"hello",
    ),
    "an upgrade to h2c": (
        post(
            b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk",
            line=b"GET / HTTP/1.1", body=HIDDEN,
        ),
        b"",
    ),
    "an upgrade whose version the origin refuses": (
        post(
            b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 777",
            b"Sec-WebSocket-Key: c2l4dGVlbiBieXRlcyBvaw==", line=b"GET / HTTP/1.1", body=HIDDEN,
        ),
        REFUSED,
    ),
}  # fmt: skip


def body_at_origin(head, rest):
    """Read what the origin got with a reader of its own, to the last byte."""
    fields = [line.split(b": ", 1) for line in head.split(b"\r\n")[1:-2]]
    named = {name.lower(): value for name, value in fields}
    assert len(fields) == len(named)
    if named.get(b"transfer-encoding") == b"chunked":
        assert b"content-length" not in named
        body = b""
        while size := int(rest.partition(b"\r\n")[0], 16):
            rest = rest.partition(b"\r\n")[2]
            body, rest = body + rest[:size], rest[size + 2 :]
        assert rest == b"0\r\n\r\n"
        return body
    assert len(rest) == int(named.get(b"content-length", b"0"))
    return rest


@pytest.fixture
def recorder(shared_stand):
    """A host whose origin keeps all the bytes of each connection.

    Every request has its own: a connection can reach its origin late.
    """
    streams = []
    ended = []

    def script(connection, origin):
        head = origin.read_head(connection)
        streams.append([head, b""])
        connection.settimeout(0.1)
        try:
            while data := connection.recv(65_536):
                streams[-1][1] += data
        except (TimeoutError, ConnectionResetError):
            pass
        ended.append(head)
        connection.settimeout(30)
        connection.sendall(plain_answer())

    host, there = shared_stand.serve(script, websockets=True)
    return host, streams, lambda: len(ended) == there.connections


@pytest.mark.parametrize("name", CORPUS)
def test_a_request_is_refused_or_read_as_the_origin_reads_it(
    name, shared_stand, recorder
):
    host, streams, is_quiet = recorder
    raw, expected = CORPUS[name]

    answer = shared_stand.edge.ask(raw.replace(HOST, host.encode()))
    eventually(is_quiet)

    if expected is REFUSED:
        assert status_of(answer) in {400, 426, 431}
        # Where the fault is in the body, the head has gone ahead, and nothing after it.
        assert all(HIDDEN not in rest and not rest.endswith(END) for _, rest in streams)
    else:
        assert status_of(answer) == 200
        assert [body_at_origin(*stream) for stream in streams] == [expected]


def test_the_corpus_has_at_least_forty_requests():
    assert len(CORPUS) >= 40


def test_what_follows_a_refused_upgrade_never_reaches_the_origin(shared_stand):
    """The hole: a proxy that tunnels on the request's Upgrade, whatever the origin says."""
    seen = []

    def script(connection, origin):
        origin.read_head(connection)
        connection.sendall(
            b"HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 13\r\n"
            b"Content-Length: 2\r\n\r\nno"
        )
        seen.append(connection.recv(65_536))

    host, there = shared_stand.serve(script)
    upgrade = post(
        b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 13",
        b"Sec-WebSocket-Key: c2l4dGVlbiBieXRlcyBvaw==", line=b"GET / HTTP/1.1",
    ).replace(HOST, host.encode())  # fmt: skip

    answer = shared_stand.edge.ask(upgrade + HIDDEN)

    assert status_of(answer) == 426
    assert answer.endswith(b"\r\n\r\nno")
    assert there.connections == 1
    assert seen in ([b""], [])
