"""The listening sockets of one process: a shared port, a drained queue at the end."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable
from typing import Any

from products.edge.origin_names import LIVENESS_OPTIONS
from products.edge.proxy.stream import BufferedStream
from products.edge.settings import Settings

log = logging.getLogger(__name__)

LISTEN_QUEUE = 4096
# The loop takes one connection from a socket in a turn. From several it takes several,
# and what runs for several in a row runs half as long for each: 2,750 handshakes a
# second with one socket, 3,700 with sixteen, no more with thirty-two.
_SOCKETS = 16


def shared_socket(address: str, port: int) -> socket.socket:
    """Bind a port that several processes may share. Raises OSError."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        # Accepted connections inherit these, which spares a call each.
        for level, option, value in LIVENESS_OPTIONS:
            bound.setsockopt(level, option, value)
        bound.bind((address, port))
    except OSError:
        bound.close()
        raise
    bound.settimeout(0)
    return bound


class Listener:
    """The plain port of one process."""

    def __init__(
        self, settings: Settings, make_wire: Callable[[], BufferedStream]
    ) -> None:
        """Prepare to listen where the settings say."""
        self._settings = settings
        self._make_wire = make_wire
        self._servers: list[asyncio.Server] = []
        self._sockets: list[socket.socket] = []
        self._accepting: set[asyncio.Task[None]] = set()

    @property
    def is_adopting(self) -> bool:
        """Whether some of those taken along are not yet with the gateway."""
        return bool(self._accepting)

    async def open(self) -> None:
        """Listen. Raises OSError when the address is taken."""
        for _ in range(_SOCKETS):
            server, bound = await self._serve()
            self._servers.append(server)
            self._sockets.append(bound)

    async def reopen_if_lost(self) -> None:
        """Listen again where the loop gave a listener up, as it does without descriptors."""
        for index, server in enumerate(self._servers):
            if _is_lost(server):
                log.warning("A listener was lost and is opened again.")
                self._sockets[index].close()
                self._servers[index], self._sockets[index] = await self._serve()

    def close(self) -> None:
        """Stop listening, taking those along who already wait in the queue."""
        for server, bound in zip(self._servers, self._sockets, strict=True):
            server.close()
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = bound.accept()
                    self._adopt(connection)
            bound.close()
        self._servers, self._sockets = [], []

    def _adopt(self, connection: socket.socket) -> None:
        async def accept() -> None:
            with contextlib.suppress(OSError):
                connection.settimeout(0)
                loop = asyncio.get_running_loop()
                await loop.connect_accepted_socket(self._make_wire, connection)

        task = asyncio.ensure_future(accept())
        self._accepting.add(task)
        task.add_done_callback(self._accepting.discard)

    async def _serve(self) -> tuple[asyncio.Server, socket.socket]:
        bound = shared_socket(self._settings.bind, self._settings.port)
        server = await asyncio.get_running_loop().create_server(
            self._make_wire,
            sock=bound.dup(),  # the loop closes its own; ours outlives it to be drained
            backlog=LISTEN_QUEUE,
        )
        return server, bound


def _is_lost(server: asyncio.Server) -> bool:
    # uvloop closes a listener whose accept failed, and goes on to say it serves.
    own: list[Any] = list(server.sockets)
    return any(one is None or one.fileno() < 0 for one in own)
