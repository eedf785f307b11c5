"""The TLS settings towards origins and clients, and certificates of domains."""

import logging
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

log = logging.getLogger(__name__)

_Loaded = TypeVar("_Loaded")

# The attribute of a server's SSLObject with the name that the client's handshake named (SNI).
SERVER_NAME = "client_server_name"


def origin_tls(ca_file: str = "") -> ssl.SSLContext:
    """Make the TLS settings towards origins: public authorities, TLS 1.2 or later.

    A `ca_file` replaces the public authorities, for tests and private installations. ALPN
    offers only HTTP/1.1, because an origin that chose h2 could not take an Upgrade.
    """
    context = ssl.create_default_context(cafile=ca_file or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def client_tls() -> ssl.SSLContext:
    """Make the TLS settings towards clients, yet without a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Without h2, browsers use HTTP/1.1. WebSockets over h2 (RFC 8441) is not supported.
    context.set_alpn_protocols(["http/1.1"])
    return context


def load_certificate(path: Path) -> ssl.SSLContext:
    """Make the settings towards clients with the certificate, chain and key of a PEM file.

    It never waits. Raises OSError (ssl.SSLError is one), also for a key that needs a
    passphrase: OpenSSL would ask for it in the terminal, and the edge wait for an answer.
    """
    if not path.is_file():  # opening a pipe would wait for its other end
        raise OSError(f"{path.name} is not a file")
    context = client_tls()
    context.load_cert_chain(path, password="")
    return context


class CertificateFolder(Generic[_Loaded]):
    """The `NAME.pem` files of a folder by name, each loaded when it is new or has changed.

    Names are in lower case. A fault is logged once for each change of its file, and when it
    is mended.
    """

    def __init__(self, folder: Path, load: Callable[[Path], _Loaded]) -> None:
        """`load` reads one file, and raises OSError if it is faulty."""
        self._folder = folder
        self._load = load
        self._stamps: dict[str, str] = {}  # of the files that are not faulty
        self.faults: dict[str, tuple[str, str]] = {}
        # A file that has become faulty keeps what it held before.
        self.loaded: dict[str, _Loaded] = {}

    def refresh(self) -> None:
        """Load what has changed or is faulty. A folder that cannot be read changes nothing."""
        try:
            files = [path for path in self._folder.iterdir() if path.suffix == ".pem"]
        except OSError as error:
            self._note_fault("", self._folder, ("", str(error)))
            return
        found = {path.stem.lower(): path for path in files}
        for known in (self._stamps, self.faults, self.loaded):
            for gone in known.keys() - found.keys():
                del known[gone]
        for name, path in found.items():
            self._read(name, path)

    def _read(self, name: str, path: Path) -> None:
        stamp = ""
        try:
            state = path.stat()
            # The inode's time changes with the permissions, too.
            stamp = f"{state.st_ctime_ns} {state.st_size} {state.st_ino}"
            if self._stamps.get(name) == stamp:
                return
            self.loaded[name] = self._load(path)
        except OSError as error:  # includes ssl.SSLError
            # It is tried again, because it may pass, like a lack of descriptors.
            self._stamps.pop(name, None)
            self._note_fault(name, path, (stamp, str(error)))
        else:
            self._stamps[name] = stamp
            if self.faults.pop(name, None):
                log.warning("%s is used again.", path)

    def _note_fault(self, name: str, path: Path, fault: tuple[str, str]) -> None:
        if self.faults.get(name) != fault:
            self.faults[name] = fault
            log.warning("%s is not used: %s", path, fault[1])
