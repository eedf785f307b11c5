"""The listening sockets of one process, and the certificates of the TLS port."""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

from products.edge.startup import shared_socket
from products.edge.tls import (
    SERVER_NAME,
    CertificateFolder,
    client_tls,
    load_certificate,
)

log = logging.getLogger(__name__)

_QUEUE_LENGTH = 4096
_BATCH_SIZE = 16  # connections accepted per turn of the loop
_PAUSE_SECONDS = 0.1  # after accept() failed, as it does without descriptors


class Listener:
    """A port of one process.

    The loop's own listeners end when there are no descriptors, and they say nothing of a
    connection before its TLS handshake is over: a silent client would use a descriptor that
    no limit knows of. So connections are accepted here.
    """

    def __init__(
        self,
        address: str,
        port: int,
        serve: Callable[[socket.SocketType, tuple[str, int]], None],
    ) -> None:
        """Prepare to listen; `serve` takes each connection with its peer's address."""
        self._address = address
        self._port = port
        self._serve = serve
        self._bound: socket.socket | None = None

    def open(self) -> None:
        """Listen. Raises OSError when the address is taken."""
        self._bound = shared_socket(self._address, self._port)
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
                self._serve(*_accepted(bound))
        bound.close()

    def _watch(self) -> None:
        if self._bound is not None:
            asyncio.get_running_loop().add_reader(self._bound, self._accept)

    def _accept(self) -> None:
        if (bound := self._bound) is None:
            return
        try:
            for _ in range(_BATCH_SIZE):
                self._serve(*_accepted(bound))
        except BlockingIOError:
            pass
        except OSError as error:
            log.warning("A connection could not be accepted: %s", error)
            loop = asyncio.get_running_loop()
            loop.remove_reader(bound)
            loop.call_later(_PAUSE_SECONDS, self._watch)


def _accepted(bound: socket.socket) -> tuple[socket.SocketType, tuple[str, int]]:
    """Accept a connection. Raises OSError."""
    # `accept` returns a socket of Python's own class, which costs 7 % of a handshake.
    descriptor, peer = bound._accept()  # type: ignore[attr-defined] # noqa: SLF001
    family = socket.AF_INET6 if ":" in peer[0] else socket.AF_INET
    return socket.SocketType(family, socket.SOCK_STREAM, 0, descriptor), peer


class Certificates(CertificateFolder[ssl.SSLContext]):
    """The certificates in a folder, as `DOMAIN.pem` with chain and key in one file.

    A name that has no file gets that of the wildcard (`_.example.com.pem` is for
    `*.example.com`), then `default.pem`; without them the TLS handshake fails.
    """

    def __init__(self, folder: Path) -> None:
        """Read a folder. Raises OSError if it does not exist."""
        super().__init__(folder, load_certificate)
        self.tls = client_tls()
        self.tls.sni_callback = self._choose
        if not folder.is_dir():
            raise NotADirectoryError(f"No folder of certificates: {folder}")
        self.refresh()

    def _choose(
        self, connection: ssl.SSLObject, name: str | None, _context: ssl.SSLContext
    ) -> int | None:
        host = (name or "").lower().removesuffix(".")
        setattr(connection, SERVER_NAME, host)
        wildcard = "_." + host.partition(".")[2]
        for candidate in (host, wildcard, "default"):
            if (context := self.loaded.get(candidate)) is not None:
                connection.context = context
                return None
        return int(ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME)
