"""The plain port: who waits in its queue when it closes is taken along."""

import asyncio
import socket

import uvloop

from products.edge.proxy.listener import Listener, shared_socket
from products.edge.proxy.stream import BufferedStream
from products.edge.settings import Settings


def test_until_all_are_with_the_gateway_a_closed_listener_says_so():
    arrived: list[BufferedStream] = []

    async def close_with_a_queue():
        with shared_socket("127.0.0.1", 0) as held:
            port = held.getsockname()[1]
            settings = Settings("edge-1", "http://portal", "secret", "data", port=port)
            listener = Listener(settings, lambda: BufferedStream(1000, arrived.append))
            await listener.open()
            # Nothing is awaited from here on, so the loop accepts nobody itself.
            queued = [socket.create_connection(("127.0.0.1", port)) for _ in range(5)]
            listener.close()
            before = (listener.is_adopting, len(arrived))
            while listener.is_adopting:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0)
            after = (listener.is_adopting, len(arrived))
        for connection in [*queued, *(wire.transport for wire in arrived)]:
            connection.close()
        return before, after

    assert uvloop.run(close_with_a_queue()) == ((True, 0), (False, 5))
