"""Connections leave no reference cycles: a worker's garbage collector runs too rarely."""

import asyncio
import contextlib
import gc
import socket
import time
from ipaddress import ip_network

import pytest
import uvloop

from products.edge.access_log import AccessLog
from products.edge.contract import RouteTable
from products.edge.dns import CachingResolver
from products.edge.proxy.client import ClientConnection
from products.edge.proxy.handler import RequestHandler
from products.edge.proxy.http1 import BodyReader
from products.edge.proxy.listener import Listener
from products.edge.proxy.origin import OriginConnector
from products.edge.proxy.server import Server
from products.edge.proxy.stream import BufferedStream
from products.edge.proxy.tunnel import Relay, Tunnel
from products.edge.settings import Limits, with_tunnel_limits
from products.edge.startup import shared_socket
from products.edge.table import RouteIndex
from products.edge.tls import origin_tls
from products.edge.usage.meter import UsageMeter
from products.edge.usage.store import UsageStore
from tests.products.edge.fake_portal import origin, route
from tests.products.edge.running import get, handshake, read_all
from tests.products.edge.scripted import Origin, plain_answer, upgrade_then_echo

OF_A_CONNECTION = (BodyReader, BufferedStream, ClientConnection, Relay, Tunnel)


def respond(connection, there):
    there.read_head(connection)
    connection.sendall(plain_answer())


REQUESTS = {
    "an upgrade": (handshake("a.test"), upgrade_then_echo),
    "an ordinary request": (get("a.test"), respond),
    "a body in chunks": (
        get("a.test", "Transfer-Encoding: chunked", method="POST")
        + b"1\r\nx\r\n0\r\n\r\n",
        respond,
    ),
    "an error": (get("unknown.test"), respond),
    "an origin that closes": (handshake("a.test"), lambda connection, there: None),
}


@contextlib.contextmanager
def without_collector():
    gc.disable()
    gc.freeze()  # what was there before is not listed, which would take seconds
    try:
        yield
    finally:
        gc.unfreeze()
        gc.enable()


def left_over():
    """Name the classes of what the connections have left in memory.

    By `type`: a lazy object of another test would be computed when asked for its class.
    """
    return [
        type(one).__name__
        for one in gc.get_objects()
        if issubclass(type(one), OF_A_CONNECTION)
    ]


def make_server(to, folder):
    """Build a worker's parts for one service whose origin listens on a port."""
    limits = with_tunnel_limits(Limits(connections=100), capacity=50)
    resolver = CachingResolver([ip_network("127.0.0.0/8")])
    tls = origin_tls()
    meter = UsageMeter(UsageStore(folder / "usage", max_bytes=2**30))
    log = AccessLog("edge-1", folder / "log", tls, resolver)
    handler = RequestHandler(limits, OriginConnector(limits, tls, resolver), meter, log)
    routes = (route("a.test", to=origin(to)),)
    handler.routes = RouteIndex(RouteTable(format=2, revision=1, routes=routes))
    return Server(limits, handler, meter)


def ask(port, request):
    """Send a request, end this side once a tunnel is open, and read to the end."""
    with socket.create_connection(("127.0.0.1", port), 20) as client:
        client.sendall(request)
        if b"Upgrade: websocket" in request:
            client.recv(1)
            client.shutdown(socket.SHUT_WR)
        read_all(client)


async def left_after(server, request):
    """Send a request three times; gives what is left in memory once all is closed."""
    with shared_socket("127.0.0.1", 0) as held:
        port = held.getsockname()[1]
        listener = Listener("127.0.0.1", port, server.accept)
        listener.open()
    with contextlib.closing(listener), without_collector():
        for _ in range(3):
            await asyncio.to_thread(ask, port, request)
        until = time.monotonic() + 5
        while left_over() and time.monotonic() < until:  # noqa: ASYNC110 - no event
            await asyncio.sleep(0)
        return left_over()


@pytest.mark.parametrize("name", REQUESTS)
def test_a_connection_that_has_ended_leaves_nothing_behind(name, tmp_path):
    request, script = REQUESTS[name]
    there = Origin(script)

    async def serve():
        return await left_after(make_server(there.port, tmp_path), request)

    assert uvloop.run(serve()) == []
    there.close()
