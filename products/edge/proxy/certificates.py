"""TLS towards clients: a certificate file per domain, read again when it changes."""

import logging
import ssl
from pathlib import Path

log = logging.getLogger(__name__)


class Certificates:
    """The certificates in a folder, as `DOMAIN.pem` (chain and key in one file).

    A name without a file of its own gets the wildcard's (`_.example.com.pem` stands for
    `*.example.com`), then `default.pem`, else no handshake.
    """

    def __init__(self, folder: Path) -> None:
        """Read a folder. Raises OSError when it is not there."""
        self._folder = folder
        self._stamps: dict[str, tuple[int, int, int]] = {}
        self._contexts: dict[str, ssl.SSLContext] = {}
        self.listener = _server_context()
        self.listener.sni_callback = self._choose
        if not folder.is_dir():
            raise NotADirectoryError(f"No folder of certificates: {folder}")
        self.reload()

    def reload(self) -> None:
        """Take new and changed files; a faulty one keeps what was there before it."""
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
                context = _server_context()
                context.load_cert_chain(path)
                self._contexts[name] = context
            except OSError as error:  # ssl.SSLError is one, too
                log.warning("The certificate %s is not taken: %s", path.name, error)
        for name in self._contexts.keys() - seen:
            del self._contexts[name], self._stamps[name]

    def _choose(
        self, connection: ssl.SSLObject, name: str | None, _context: ssl.SSLContext
    ) -> int | None:
        host = (name or "").lower().removesuffix(".")
        wildcard = "_." + host.partition(".")[2]
        for candidate in (host, wildcard, "default"):
            if (context := self._contexts.get(candidate)) is not None:
                connection.context = context
                return None
        return int(ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME)


def _server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # No h2: WebSockets over it (RFC 8441) are not carried, and without it browsers
    # speak HTTP/1.1.
    context.set_alpn_protocols(["http/1.1"])
    return context
