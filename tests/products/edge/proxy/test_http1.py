"""Request heads, response heads and bodies: what is refused, and with which status."""

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from products.edge.errors import ErrorResponse
from products.edge.proxy.http1 import (
    LAST_CHUNK,
    BodyMalformed,
    BodyReader,
    chunk,
    normal_host,
    parse_request,
    parse_response,
    require_handshake,
)
from tests.products.edge.running import KEY, handshake, read_exactly, status_of

HOST = "@HOST@"  # replaced by the host under test

GOOD = handshake(HOST)


def lines(*given, end=b"\r\n\r\n"):
    return "\r\n".join(given).encode("latin-1") + end


def without(name):
    kept = [line for line in GOOD.split(b"\r\n") if not line.lower().startswith(name)]
    return b"\r\n".join(kept)


def swap(old, new):
    assert old in GOOD
    return GOOD.replace(old, new, 1)


WRONG_HANDSHAKES = {
    "a POST": (swap(b"GET", b"POST"), 400),
    "a HEAD": (swap(b"GET", b"HEAD"), 400),
    "an OPTIONS": (swap(b"GET", b"OPTIONS"), 400),
    "a CONNECT": (swap(b"GET /", b"CONNECT host:80"), 405),
    "a TRACE": (swap(b"GET", b"TRACE"), 405),
    "a method in lower case": (swap(b"GET", b"get"), 400),
    "HTTP/1.0": (swap(b"HTTP/1.1", b"HTTP/1.0"), 400),
    "HTTP/2.0": (swap(b"HTTP/1.1", b"HTTP/2.0"), 400),
    "HTTP/1.2": (swap(b"HTTP/1.1", b"HTTP/1.2"), 400),
    "no version": (swap(b" HTTP/1.1", b""), 400),
    "a version in lower case": (swap(b"HTTP/1.1", b"http/1.1"), 400),
    "the preface of HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "two spaces before the target": (swap(b"GET /", b"GET  /"), 400),
    "two spaces after the target": (swap(b"/ HTTP", b"/  HTTP"), 400),
    "a tab in the request line": (swap(b"GET /", b"GET\t/"), 400),
    "a space in the target": (swap(b"GET /", b"GET /a b"), 400),
    "a target without a slash": (swap(b"GET /", b"GET path"), 400),
    "a target with a fragment": (swap(b"GET /", b"GET /#part"), 400),
    "a target of an asterisk": (swap(b"GET /", b"GET *"), 400),
    "a target for another host": (swap(b"GET /", b"GET http://other.test/"), 400),
    "a target with a user": (swap(b"GET /", b"GET http://me@%s/" % HOST.encode()), 400),
    "a target of another scheme": (
        swap(b"GET /", b"GET ftp://%s/" % HOST.encode()),
        400,
    ),
    "a byte above ASCII in the target": (swap(b"GET /", b"GET /\xff"), 400),
    "a null in the target": (swap(b"GET /", b"GET /\x00"), 400),
    "an empty line first": (b"\r\n" + GOOD, 400),
    "a space first": (b" " + GOOD, 400),
    "a TLS greeting": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    "an SSH greeting with a bare line feed": (b"SSH-2.0-OpenSSH_9.2\n", 400),
    "no Host": (without(b"host:"), 400),
    "two Hosts": (swap(b"Upgrade:", b"Host: other.test\r\nUpgrade:"), 400),
    "the same Host twice": (
        swap(b"Upgrade:", f"Host: {HOST}\r\nUpgrade:".encode()),
        400,
    ),
    "an empty Host": (swap(f"Host: {HOST}".encode(), b"Host:"), 400),
    "a Host with a path": (swap(HOST.encode(), HOST.encode() + b"/x"), 400),
    "a Host with a user": (swap(b"Host: ", b"Host: me@"), 400),
    "a Host with a space": (swap(b"Host: ", b"Host: a "), 400),
    "a Host with a comma": (swap(b"Host: ", b"Host: a,"), 400),
    "a Host with port 0": (swap(HOST.encode(), HOST.encode() + b":0"), 400),
    "a Host with port 65536": (swap(HOST.encode(), HOST.encode() + b":65536"), 400),
    "a Host with a port that is a word": (
        swap(HOST.encode(), HOST.encode() + b":http"),
        400,
    ),
    "a Host with a bracket left open": (swap(b"Host: ", b"Host: ["), 400),
    "a bare line feed": (swap(b"\r\nUpgrade:", b"\nUpgrade:"), 400),
    "a bare carriage return": (swap(b"\r\nUpgrade:", b"\rUpgrade:"), 400),
    "an empty line of a line feed": (GOOD[:-2] + b"\n", 400),
    "a folded field": (swap(b"Upgrade: websocket", b"Upgrade:\r\n websocket"), 400),
    "a field folded with a tab": (swap(b"Upgrade: ", b"Upgrade:\r\n\t"), 400),
    "a space before the colon": (swap(b"Upgrade:", b"Upgrade :"), 400),
    "a tab before the colon": (swap(b"Upgrade:", b"Upgrade\t:"), 400),
    "a field without a colon": (swap(b"Upgrade:", b"Nothing\r\nUpgrade:"), 400),
    "a field without a name": (swap(b"Upgrade:", b": x\r\nUpgrade:"), 400),
    "a null in a value": (swap(b"Upgrade: ", b"X: a\x00b\r\nUpgrade: "), 400),
    "a control character in a value": (
        swap(b"Upgrade: ", b"X: a\x07\r\nUpgrade: "),
        400,
    ),
    "an escape in a value": (swap(b"Upgrade: ", b"X: \x1b[2J\r\nUpgrade: "), 400),
    "a bracket in a name": (swap(b"Upgrade: ", b"X[1]: a\r\nUpgrade: "), 400),
    "a byte above ASCII in a name": (swap(b"Upgrade: ", b"X\xe9: a\r\nUpgrade: "), 400),
    "no Connection": (without(b"connection:"), 400),
    "a Connection without upgrade": (
        swap(b"Connection: Upgrade", b"Connection: close"),
        400,
    ),
    "a Connection that only begins so": (
        swap(b"Connection: Upgrade", b"Connection: Upgrades"),
        400,
    ),
    "no version of the protocol": (without(b"sec-websocket-version"), 426),
    "version 8": (swap(b"Version: 13", b"Version: 8"), 426),
    "version 14": (swap(b"Version: 13", b"Version: 14"), 426),
    "a list of versions": (swap(b"Version: 13", b"Version: 13, 8"), 426),
    "the version twice": (
        swap(b"Upgrade:", b"Sec-WebSocket-Version: 13\r\nUpgrade:"),
        426,
    ),
    "an empty version": (swap(b"Version: 13", b"Version:"), 426),
    "no key": (without(b"sec-websocket-key"), 400),
    "an empty key": (swap(KEY.encode(), b""), 400),
    "a key of 15 bytes": (swap(KEY.encode(), b"c2l4dGVlbiBieXRlcyBv"), 400),
    "a key of 17 bytes": (swap(KEY.encode(), KEY[:-2].encode() + b"oh"), 400),
    "a key that is no base64": (swap(KEY.encode(), b"!" * 22 + b"=="), 400),
    "a key without padding": (swap(KEY.encode(), KEY[:22].encode()), 400),
    "two keys": (
        swap(b"Upgrade:", f"Sec-WebSocket-Key: {KEY}\r\nUpgrade:".encode()),
        400,
    ),
    "a body": (GOOD[:-2] + b"Content-Length: 5\r\n\r\nhello", 400),
    "a chunked body": (GOOD[:-2] + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "a negative length": (GOOD[:-2] + b"Content-Length: -1\r\n\r\n", 400),
    "a length in words": (GOOD[:-2] + b"Content-Length: none\r\n\r\n", 400),
    "101 fields": (GOOD[:-2] + b"X: y\r\n" * 96 + b"\r\n", 431),
    "a head above 16 KiB": (GOOD[:-2] + b"X: " + b"y" * 16_384 + b"\r\n\r\n", 431),
    "a head without end above 16 KiB": (b"GET /" + b"y" * 16_400, 431),
}


@pytest.mark.parametrize("name", WRONG_HANDSHAKES)
def test_a_wrong_handshake_is_refused_and_never_reaches_the_origin(
    name, shared_stand, echo_host
):
    host, there = echo_host
    raw, status = WRONG_HANDSHAKES[name]
    before = there.connections

    answer = shared_stand.edge.ask(raw.replace(HOST.encode(), host.encode()))

    assert status_of(answer) == status
    assert b"\r\nConnection: close\r\n" in answer
    assert answer.endswith(b".\n") or name == "a HEAD"
    assert there.connections == before


def test_at_least_sixty_wrong_handshakes_are_tried():
    assert len(WRONG_HANDSHAKES) >= 60


RIGHT_HANDSHAKES = {
    "the plainest": GOOD,
    "names in capitals": swap(b"Upgrade: websocket", b"UPGRADE: WebSocket"),
    "no space after the colon": swap(b"Upgrade: websocket", b"Upgrade:websocket"),
    "spaces around values": swap(b"Upgrade: websocket", b"Upgrade: \t websocket \t"),
    "a Connection of several tokens": swap(b": Upgrade\r", b": keep-alive, Upgrade\r"),
    "a Connection in two fields": swap(
        b"Connection: Upgrade", b"Connection: x\r\nConnection: upgrade"
    ),
    "an Upgrade of several protocols": swap(b": websocket", b": h2c, websocket"),
    "a Content-Length of 0": GOOD[:-2] + b"Content-Length: 0\r\n\r\n",
    "a Host in capitals": swap(HOST.encode(), b"@HOST-UPPER@"),
    "a Host with a trailing dot": swap(HOST.encode(), HOST.encode() + b"."),
    "a Host with a port": swap(HOST.encode(), HOST.encode() + b":8080"),
    "an absolute target": swap(b"GET /", f"GET http://{HOST}/".encode()),
    "100 fields": GOOD[:-2] + b"X: y\r\n" * 95 + b"\r\n",
}


@pytest.mark.parametrize("name", RIGHT_HANDSHAKES)
def test_a_right_handshake_opens_a_tunnel(name, shared_stand, echo_host):
    host, _ = echo_host
    raw = RIGHT_HANDSHAKES[name].replace(HOST.encode(), host.encode())
    raw = raw.replace(b"@HOST-UPPER@", host.upper().encode())

    with shared_stand.edge.connect() as connection:
        connection.sendall(raw)
        answer = read_exactly(connection, 12)

    assert answer == b"HTTP/1.1 101"


@pytest.mark.parametrize(
    "field, name",
    [
        (b"Example.COM", "example.com"),
        (b"example.com.", "example.com"),
        (b"example.com:8443", "example.com"),
        (b"[::1]:80", "[::1]"),
        (b"192.0.2.1", "192.0.2.1"),
        (b"under_score.test", "under_score.test"),
    ],
)
def test_a_host_is_normalised(field, name):
    assert normal_host(field) == name


@given(st.binary(max_size=300))
def test_any_bytes_are_a_request_or_an_error(data):
    try:
        host = parse_request(data).host
    except ErrorResponse:
        return
    assert host == host.lower()


_VALUES = st.text(st.characters(max_codepoint=255), max_size=20)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                ["Host", "Connection", "Upgrade", "Content-Length", "Transfer-Encoding",
                 "Sec-WebSocket-Key", "Sec-WebSocket-Version", "X-Other"]
            ),
            st.one_of(st.sampled_from(["upgrade", "websocket", "13", KEY, "a", "0"]), _VALUES),
        ),
        max_size=9,
    ),
    st.sampled_from(["GET", "POST"]),
)  # fmt: skip
def test_what_passes_as_a_handshake_is_one(fields, method):
    text = lines(
        f"{method} / HTTP/1.1", *(f"{name}: {value}" for name, value in fields)
    )

    try:
        head = parse_request(text)
        require_handshake(head)
    except ErrorResponse:
        return

    names = [name.lower() for name, _ in head.fields]
    assert method == "GET"
    assert head.body_bytes == 0
    assert names.count(b"host") == names.count(b"sec-websocket-key") == 1
    assert head.named[b"sec-websocket-version"] == [b"13"]
    assert b"transfer-encoding" not in names


def request(*fields, line="GET / HTTP/1.1"):
    return lines(line, "Host: a.test", *fields)


ACCEPTED_BY_LLHTTP = {
    "no version": request(line="GET /"),
    "two spaces before the target": request(line="GET  / HTTP/1.1"),
    "two spaces before the version": request(line="GET /  HTTP/1.1"),
    "an empty line first": b"\r\n" + request(),
    "no Host": lines("GET / HTTP/1.1"),
    "two Hosts": request("Host: b.test"),
    "a Host that is none": lines("GET / HTTP/1.1", "Host: a/b"),
    "a target for another host": request(line="GET http://b.test/ HTTP/1.1"),
    "a fragment": request(line="GET /#a HTTP/1.1"),
    "two codings": request("Transfer-Encoding: gzip, chunked"),
    "chunks in HTTP/1.0": request("Transfer-Encoding: chunked", line="GET / HTTP/1.0"),
    "a lookalike of Content-Length": request("Content_Length: 5"),
    "a lookalike of Transfer-Encoding": request("Transfer_Encoding: chunked"),
    "CONNECT": request(line="CONNECT a.test:80 HTTP/1.1"),
    "TRACE": request(line="TRACE / HTTP/1.1"),
    "101 fields": request(*["X: y"] * 100),
}


@pytest.mark.parametrize("name", ACCEPTED_BY_LLHTTP)
def test_a_request_that_llhttp_accepts_is_checked_further(name):
    raw = ACCEPTED_BY_LLHTTP[name]
    found = Found()

    found.read(httptools.HttpRequestParser, raw)

    assert found.is_complete
    with pytest.raises(ErrorResponse):
        parse_request(raw)


ACCEPTED_RESPONSES = {
    "a null in the reason": b"HTTP/1.1 200 O\x00K\r\n\r\n",
    "an escape in the reason": b"HTTP/1.1 200 \x1b[2J\r\n\r\n",
    "a status below 100": b"HTTP/1.1 099 No\r\n\r\n",
    "two codings": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
    "chunks in HTTP/1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    "101 fields": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 101 + b"\r\n",
}


@pytest.mark.parametrize("name", ACCEPTED_RESPONSES)
def test_a_response_that_llhttp_accepts_is_checked_further(name):
    found = Found()

    found.read(httptools.HttpResponseParser, ACCEPTED_RESPONSES[name])

    assert found.is_complete
    with pytest.raises(ErrorResponse) as refused:
        parse_response(ACCEPTED_RESPONSES[name])
    assert refused.value.error.status == 502


class Found:
    """Notes that llhttp has come to the end of a head."""

    is_complete = False

    def on_headers_complete(self):
        self.is_complete = True

    def read(self, parser, raw):
        try:
            parser(self).feed_data(raw)
        except (httptools.HttpParserUpgrade, httptools.HttpParserError):
            assert self.is_complete


@given(st.binary(max_size=300))
def test_any_bytes_are_a_response_or_an_error(data):
    try:
        head = parse_response(b"HTTP/1.1 200 OK\r\n" + data)
    except ErrorResponse:
        return
    assert head.status == 200


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=6), st.data())
def test_chunks_are_read_alike_however_they_are_cut(payloads, data):
    text = b"".join(map(chunk, payloads)) + LAST_CHUNK
    body = BodyReader(None)
    read = b""
    while text:
        size = data.draw(st.integers(1, len(text)))
        read += body.feed(text[:size])
        text = text[size:]

    assert body.done
    assert read == b"".join(payloads)


@given(st.binary(max_size=200))
def test_any_bytes_are_chunks_or_malformed(data):
    body = BodyReader(None)
    try:
        read = body.feed(data)
    except BodyMalformed:
        return
    assert len(read) < max(1, len(data))


@given(st.integers(0, 30), st.binary(max_size=60))
def test_a_sized_body_takes_exactly_its_size(size, data):
    body = BodyReader(size)

    assert body.feed(data) == data[:size]
    assert body.done == (len(data) >= size)


def test_what_follows_the_last_chunk_is_not_payload():
    body = BodyReader(None)

    assert body.feed(chunk(b"hello") + LAST_CHUNK + b"GET / HTTP/1.1\r\n") == b"hello"
    assert body.done
    assert body.feed(b"Host: a\r\n\r\n") == b""


ENDLESS_FRAMING = {
    "an extension": (b"5;a=", b"b" * 9000),
    "a trailer": (b"0\r\nA: ", b"b" * 9000),
    "trailers": (b"0\r\n", b"A: b\r\n" * 1500),
    "zeros before a size": (b"", b"0" * 9000),
}


@pytest.mark.parametrize("name", ENDLESS_FRAMING)
def test_framing_without_end_is_malformed(name):
    start, more = ENDLESS_FRAMING[name]
    body = BodyReader(None)
    body.feed(start)

    with pytest.raises(BodyMalformed):
        body.feed(more)


def test_framing_between_payloads_may_add_up():
    body = BodyReader(None)

    for _ in range(100):
        assert body.feed(b"1;" + b"a" * 200 + b"\r\nx\r\n") == b"x"
