"""The TLS port: its connections count, and have their time, from accept on.

The loop's own listener says nothing of a connection before its TLS handshake is over:
who connects and is silent would hold a descriptor that no cap knows of.
"""

import asyncio
import contextlib
import logging
import socket
import ssl

from products.edge.proxy.listener import LISTEN_QUEUE, shared_socket
from products.edge.proxy.server import Gateway
from products.edge.settings import Settings

log = logging.getLogger(__name__)

_BATCH_SIZE = 16  # connections taken in a turn of the loop
_PAUSE_SECONDS = 0.1  # after an accept that failed, as it does without descriptors


class TlsListener:
    """One port of one process."""

    def __init__(
        self, settings: Settings, gateway: Gateway, context: ssl.SSLContext
    ) -> None:
        """Prepare to listen where the settings say."""
        self._settings = settings
        self._gateway = gateway
        self._context = context
        self._bound: socket.socket | None = None
        self._welcomes: set[asyncio.Task[None]] = set()

    @property
    def is_welcoming(self) -> bool:
        """Whether TLS handshakes are under way."""
        return bool(self._welcomes)

    def open(self) -> None:
        """Listen. Raises OSError when the address is taken."""
        self._bound = shared_socket(self._settings.bind, self._settings.tls_port)
        self._bound.listen(LISTEN_QUEUE)
        self._watch()

    def close(self) -> None:
        """Stop listening, taking those along who already wait in the queue."""
        bound, self._bound = self._bound, None
        if bound is None:
            return
        asyncio.get_running_loop().remove_reader(bound)
        with contextlib.suppress(OSError):
            while True:
                self._take(bound)
        bound.close()

    def abort_all(self) -> None:
        """End every TLS handshake at once."""
        for task in list(self._welcomes):
            task.cancel()

    def _watch(self) -> None:
        if self._bound is not None:
            asyncio.get_running_loop().add_reader(self._bound, self._accept)

    def _accept(self) -> None:
        if (bound := self._bound) is None:
            return
        try:
            for _ in range(_BATCH_SIZE):
                self._take(bound)
        except BlockingIOError:
            pass
        except OSError as error:
            log.warning("A connection could not be accepted: %s", error)
            loop = asyncio.get_running_loop()
            loop.remove_reader(bound)
            loop.call_later(_PAUSE_SECONDS, self._watch)

    def _take(self, bound: socket.socket) -> None:
        connection, peer = bound.accept()
        connection.settimeout(0)
        accept_tls = self._gateway.accept_tls(connection, peer, self._context)
        task = asyncio.ensure_future(accept_tls)
        self._welcomes.add(task)
        task.add_done_callback(self._welcomes.discard)
