"""Streams: what TLS transports are paused at, and heads that come in pieces."""

import asyncio
import socket
import ssl

import pytest
import trustme
import uvloop

from products.edge.errors import EdgeError, ErrorResponse
from products.edge.proxy.stream import (
    BufferedStream,
    StreamClosed,
    underlying_transport,
)

MAX_BUFFERED = 64 * 1024


def contexts():
    """Make the TLS settings of a server named one.test, and of its client."""
    authority = trustme.CA()
    here = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    here.num_tickets = (
        0  # a client that closes with unread tickets resets the connection
    )
    authority.issue_cert("one.test").configure_cert(here)
    there = ssl.create_default_context()
    authority.configure_trust(there)
    return here, there


async def listen(tls):
    """Listen; gives the listener and the future of the stream that it accepts."""
    loop = asyncio.get_running_loop()
    accepted = loop.create_future()

    class Accepted(BufferedStream):
        def connection_made(self, transport):
            super().connection_made(transport)
            accepted.set_result(self)

    listener = await loop.create_server(
        lambda: Accepted(MAX_BUFFERED), "127.0.0.1", 0, ssl=tls
    )
    return listener, accepted


async def tls_pair():
    """Connect two streams over TLS; gives the server's and the client's."""
    here, there = contexts()
    listener, accepted = await listen(here)
    port = listener.sockets[0].getsockname()[1]
    _, client = await asyncio.get_running_loop().create_connection(
        lambda: BufferedStream(MAX_BUFFERED),
        "127.0.0.1",
        port,
        ssl=there,
        server_hostname="one.test",
    )
    listener.close()
    return await accepted, client


async def end(*streams):
    for stream in streams:
        stream.transport.abort()
    while not all(stream.lost for stream in streams):  # noqa: ASYNC110 - no event
        await asyncio.sleep(0)


@pytest.mark.parametrize("run", [uvloop.run, asyncio.run], ids=["uvloop", "asyncio"])
def test_the_transport_below_tls_is_found(run):
    async def find():
        streams = await tls_pair()
        found = [stream.underlying for stream in streams]
        is_below = [
            one is not stream.transport
            for one, stream in zip(found, streams, strict=True)
        ]
        reading = []
        for one in found:
            one.pause_reading()
            reading.append(one.is_reading())
            one.resume_reading()
            reading.append(one.is_reading())
        await end(*streams)
        return is_below, [one.get_extra_info("ssl_object") for one in found], reading

    assert run(find()) == ([True, True], [None, None], [False, True] * 2)


def test_a_transport_whose_layers_are_hidden_is_used_itself(caplog):
    hidden = asyncio.Transport()

    assert underlying_transport(hidden) is hidden
    assert "was not found" in caplog.text


def test_what_a_peer_sent_before_it_closed_is_read_after_a_pause():
    """The peer sends more than the buffer holds, and closes without a close_notify."""
    sent = 3 * MAX_BUFFERED

    def send_and_close(port, tls):
        with socket.create_connection(("127.0.0.1", port), 20) as plain:
            secured = tls.wrap_socket(plain, server_hostname="one.test")
            secured.sendall(b"x" * sent)
            secured.close()

    async def read_what_is_left():
        here, there = contexts()
        listener, accepted = await listen(here)
        port = listener.sockets[0].getsockname()[1]
        await asyncio.to_thread(send_and_close, port, there)
        stream = await accepted
        for _ in range(1000):
            await asyncio.sleep(0)  # time for a paused transport to see the end
        read = 0
        async with asyncio.timeout(20):
            while data := await stream.read_some():
                read += len(data)
        listener.close()
        await end(stream)
        return read

    assert uvloop.run(read_what_is_left()) == sent


class Connected(BufferedStream):
    """A stream whose peer is the test."""

    def __init__(self, *pieces):
        super().__init__(1000)
        self.connection_made(asyncio.Transport())
        for piece in pieces:
            self.data_received(piece)


async def test_what_follows_a_head_stays_in_the_buffer():
    stream = Connected(b"GET / HTTP/1.1\r\n\r", b"\nmore")

    assert await stream.read_head(100) == b"GET / HTTP/1.1\r\n\r\n"
    assert await stream.read_some() == b"more"


@pytest.mark.parametrize(
    "data, error",
    [
        (b"GET / HTTP/1.1\r\n" + b"a" * 100, EdgeError.ORIGIN_HEADERS_TOO_LARGE),
        (b"a" * 97 + b"\r\n\r\n", EdgeError.ORIGIN_HEADERS_TOO_LARGE),
        (b"\x16\x03\x01", EdgeError.ORIGIN_NOT_HTTP),
        (b"\r\nGET", EdgeError.ORIGIN_NOT_HTTP),
        (b"GET / HTTP/1.1\nHost", EdgeError.ORIGIN_NOT_HTTP),
    ],
)
async def test_a_head_that_cannot_become_one_is_refused_before_its_end(data, error):
    with pytest.raises(ErrorResponse) as refused:
        await Connected(data).read_head(100)

    assert refused.value.error is error


async def test_a_head_that_breaks_off_is_a_closed_stream():
    stream = Connected(b"GET /")
    stream.eof_received()

    with pytest.raises(StreamClosed):
        await stream.read_head(100)


async def test_a_broken_stream_neither_reads_nor_writes():
    stream = Connected()
    stream.connection_lost(ConnectionResetError())

    with pytest.raises(StreamClosed):
        await stream.read_some()
    with pytest.raises(StreamClosed):
        await stream.write(b"x")
