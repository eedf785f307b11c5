"""The listening sockets of one process, plain and TLS, and the certificates."""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from products.edge.proxy.client import ClientConnection
from products.edge.proxy.server import Server
from products.edge.settings import Settings
from products.edge.startup import shared_socket
from products.edge.tls import SERVER_NAME, client_tls, load_certificate

log = logging.getLogger(__name__)

_QUEUE_LENGTH = 4096
# The loop takes one connection from a socket per turn. From several sockets it takes several,
# and each costs half as much then: 2,750 handshakes per second with one socket, 3,700 with
# sixteen, not more with thirty-two.
_SOCKETS = 16
_TLS_BATCH_SIZE = 16  # TLS connections accepted per turn of the loop
_TLS_PAUSE_SECONDS = 0.1  # after accept() failed, as it does without descriptors


class _Establishing:
    """Accepted connections that are not established yet."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def is_accepting(self) -> bool:
        """Whether there are any."""
        return bool(self._tasks)

    def abort_all(self) -> None:
        """End all of them immediately."""
        for task in list(self._tasks):
            task.cancel()

    def _establish(self, connecting: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(connecting)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class Listener(_Establishing):
    """The plain port of one process."""

    def __init__(
        self, settings: Settings, make_connection: Callable[[], ClientConnection]
    ) -> None:
        """Prepare to listen; `make_connection` is the protocol factory."""
        super().__init__()
        self._settings = settings
        self._make_connection = make_connection
        self._servers: list[asyncio.Server] = []
        self._sockets: list[socket.socket] = []

    async def open(self) -> None:
        """Listen. Raises OSError when the address is taken."""
        for _ in range(_SOCKETS):
            server, bound = await self._serve()
            self._servers.append(server)
            self._sockets.append(bound)

    async def reopen_if_lost(self) -> None:
        """Listen again where the loop closed a listener, as it does without descriptors."""
        for index, server in enumerate(self._servers):
            if _is_lost(server):
                log.warning("A listener was lost and is opened again.")
                self._sockets[index].close()
                self._servers[index], self._sockets[index] = await self._serve()

    def close(self) -> None:
        """Stop listening, and accept the connections that already wait in the queue."""
        for server, bound in zip(self._servers, self._sockets, strict=True):
            server.close()
            with contextlib.suppress(OSError):
                while True:
                    accepted, _ = bound.accept()
                    self._establish(self._take(accepted))
            bound.close()
        self._servers, self._sockets = [], []

    async def _take(self, accepted: socket.socket) -> None:
        with contextlib.suppress(OSError):
            accepted.settimeout(0)
            loop = asyncio.get_running_loop()
            await loop.connect_accepted_socket(self._make_connection, accepted)

    async def _serve(self) -> tuple[asyncio.Server, socket.socket]:
        bound = shared_socket(self._settings.bind, self._settings.port)
        server = await asyncio.get_running_loop().create_server(
            self._make_connection,
            sock=bound.dup(),  # the loop closes it; the original is drained after that
            backlog=_QUEUE_LENGTH,
        )
        return server, bound


class TlsListener(_Establishing):
    """The TLS port of one process.

    The loop's own listener says nothing of a connection before its TLS handshake is over.
    A silent client would use a descriptor that no limit knows of. So connections are accepted
    here, and have their slot and their deadline from then on.
    """

    def __init__(
        self, settings: Settings, server: Server, context: ssl.SSLContext
    ) -> None:
        super().__init__()
        self._settings = settings
        self._server = server
        self._context = context
        self._bound: socket.socket | None = None

    async def open(self) -> None:
        """Listen. Raises OSError when the address is taken."""
        self._bound = shared_socket(self._settings.bind, self._settings.tls_port)
        self._bound.listen(_QUEUE_LENGTH)
        self._watch()

    def close(self) -> None:
        """Stop listening, and accept the connections that already wait in the queue."""
        bound, self._bound = self._bound, None
        if bound is None:
            return
        asyncio.get_running_loop().remove_reader(bound)
        with contextlib.suppress(OSError):
            while True:
                self._take(bound)
        bound.close()

    def _watch(self) -> None:
        if self._bound is not None:
            asyncio.get_running_loop().add_reader(self._bound, self._accept)

    def _accept(self) -> None:
        if (bound := self._bound) is None:
            return
        try:
            for _ in range(_TLS_BATCH_SIZE):
                self._take(bound)
        except BlockingIOError:
            pass
        except OSError as error:
            log.warning("A connection could not be accepted: %s", error)
            loop = asyncio.get_running_loop()
            loop.remove_reader(bound)
            loop.call_later(_TLS_PAUSE_SECONDS, self._watch)

    def _take(self, bound: socket.socket) -> None:
        accepted, peer = bound.accept()
        accepted.settimeout(0)
        self._establish(self._server.accept_tls(accepted, peer, self._context))


class Certificates:
    """The certificates in a folder, as `DOMAIN.pem` with chain and key in one file.

    A name that has no file gets that of the wildcard (`_.example.com.pem` is for
    `*.example.com`), then `default.pem`; without them the TLS handshake fails.
    """

    def __init__(self, folder: Path) -> None:
        """Read a folder. Raises OSError if it does not exist."""
        self._folder = folder
        self._stamps: dict[str, tuple[int, int, int]] = {}
        self._contexts: dict[str, ssl.SSLContext] = {}
        self.tls = client_tls()
        self.tls.sni_callback = self._choose
        if not folder.is_dir():
            raise NotADirectoryError(f"No folder of certificates: {folder}")
        self.reload()

    def reload(self) -> None:
        """Read new and changed files; a faulty file changes nothing."""
        seen = set()
        for path in self._folder.glob("*.pem"):
            name = path.stem.lower()
            seen.add(name)
            try:
                state = path.stat()
                stamp = (state.st_mtime_ns, state.st_size, state.st_ino)
                if self._stamps.get(name) == stamp:
                    continue
                self._stamps[name] = stamp
                context = client_tls()
                load_certificate(context, path)
                self._contexts[name] = context
            except OSError as error:  # includes ssl.SSLError
                log.warning("The certificate %s is not used: %s", path.name, error)
        for name in self._contexts.keys() - seen:
            del self._contexts[name], self._stamps[name]

    def _choose(
        self, connection: ssl.SSLObject, name: str | None, _context: ssl.SSLContext
    ) -> int | None:
        host = (name or "").lower().removesuffix(".")
        setattr(connection, SERVER_NAME, host)
        wildcard = "_." + host.partition(".")[2]
        for candidate in (host, wildcard, "default"):
            if (context := self._contexts.get(candidate)) is not None:
                connection.context = context
                return None
        return int(ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME)


def _is_lost(server: asyncio.Server) -> bool:
    # uvloop closes a listener whose accept failed, and still says that it serves.
    own: list[Any] = list(server.sockets)
    return any(one is None or one.fileno() < 0 for one in own)
