"""The listening sockets of one process: shared ports, a drained queue at the end."""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Callable
from typing import Any

from products.edge.certificates import Certificates
from products.edge.dial import LIVENESS_OPTIONS
from products.edge.settings import Settings
from products.edge.wire import Wire

log = logging.getLogger(__name__)

_QUEUE = 4096
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
    """One or two ports: plain, and TLS where there are certificates."""

    def __init__(
        self,
        settings: Settings,
        make_wire: Callable[[], Wire],
        certificates: Certificates | None,
    ) -> None:
        """Prepare to listen as the settings say."""
        self._settings = settings
        self._make_wire = make_wire
        ports: list[tuple[int, ssl.SSLContext | None]] = [(settings.port, None)]
        if certificates is not None and settings.tls_port:
            ports.append((settings.tls_port, certificates.listener))
        self._ports = ports * _SOCKETS
        self._servers: list[asyncio.Server] = []
        self._sockets: list[socket.socket] = []
        self._accepting: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Listen. Raises OSError when an address is taken."""
        for port, tls in self._ports:
            await self._listen(port, tls)

    async def reopen_if_lost(self) -> None:
        """Listen again where the loop gave a listener up, as it does without descriptors."""
        for index, server in enumerate(self._servers):
            if _is_lost(server):
                log.warning("A listener was lost and is opened again.")
                port, tls = self._ports[index]
                self._sockets[index].close()
                self._servers[index], self._sockets[index] = await self._serve(
                    port, tls
                )

    def close(self, make_wire: Callable[[], Wire]) -> None:
        """Stop listening, taking those along who already wait in the queue."""
        for (_, tls), server, bound in zip(
            self._ports, self._servers, self._sockets, strict=True
        ):
            server.close()
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = bound.accept()
                    self._adopt(connection, make_wire, tls)
            bound.close()
        self._servers, self._sockets = [], []

    def _adopt(
        self,
        connection: socket.socket,
        make_wire: Callable[[], Wire],
        tls: ssl.SSLContext | None,
    ) -> None:
        async def accept() -> None:
            with contextlib.suppress(OSError):
                connection.settimeout(0)
                loop = asyncio.get_running_loop()
                await loop.connect_accepted_socket(make_wire, connection, ssl=tls)

        task = asyncio.ensure_future(accept())
        self._accepting.add(task)
        task.add_done_callback(self._accepting.discard)

    async def _listen(self, port: int, tls: ssl.SSLContext | None) -> None:
        server, bound = await self._serve(port, tls)
        self._servers.append(server)
        self._sockets.append(bound)

    async def _serve(
        self, port: int, tls: ssl.SSLContext | None
    ) -> tuple[asyncio.Server, socket.socket]:
        bound = shared_socket(self._settings.bind, port)
        server = await asyncio.get_running_loop().create_server(
            self._make_wire,
            sock=bound.dup(),  # the loop closes its own; ours outlives it to be drained
            backlog=_QUEUE,
            ssl=tls,
            ssl_handshake_timeout=self._settings.limits.head_seconds if tls else None,
        )
        return server, bound


def _is_lost(server: asyncio.Server) -> bool:
    # uvloop closes a listener whose accept failed, and goes on to say it serves.
    own: list[Any] = list(server.sockets)
    return any(one is None or one.fileno() < 0 for one in own)
