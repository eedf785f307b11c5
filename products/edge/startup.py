"""What an edge needs before it starts: its lock, its ports, its client for the portal."""

import contextlib
import errno
import fcntl
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from ipaddress import ip_network
from pathlib import Path

from products.edge.errors import StartupError
from products.edge.files import atomic_write
from products.edge.portal import PortalClient
from products.edge.settings import Settings
from products.edge.tls import origin_tls

_LOCK = "edge.lock"
_OTHERS = 0o007  # what users outside the owner and the group can do
_NAME = "edge.name"
_PORT_SECONDS = 3.0  # for a port to become free after a restart
_RETRY_SECONDS = 0.05

# Of every TCP connection, so that a dead peer is noticed within two minutes.
LIVENESS_OPTIONS = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 60_000),
)


class FolderLock:
    """The lock on an edge's data folder; it ends with the process. The folder keeps the name.

    A second edge with the same usage store would finish the connections that the first has
    open, and report them again under its own name.
    """

    def __init__(self, settings: Settings) -> None:
        """Take the lock. If another edge has it, that is an error unless this one takes over.

        Raises StartupError.
        """
        self.is_held = False
        self.is_restart = False  # an edge has used the folder before
        folder = Path(settings.data_dir)
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            # One that was there before: its files are private, their names should be too.
            if folder.stat().st_mode & _OTHERS:
                folder.chmod(folder.stat().st_mode & ~_OTHERS)
            self._descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
            self.take()
            name = folder / _NAME
            self.is_restart = name.exists()
            if self.is_held and not self.is_restart:
                atomic_write(name, f"{settings.name}\n".encode())
            owner = name.read_text("utf-8").strip()
        except OSError as error:
            raise StartupError(f"The data folder cannot be used: {error}") from error
        if owner != settings.name:
            self.close()
            raise StartupError(
                f"The data folder belongs to {owner}. Its usage is reported under that "
                f"name. Give {settings.name} another folder with --data-dir, or continue "
                f"with --name {owner}."
            )
        if not self.is_held and not settings.take_over:
            self.close()
            raise StartupError(
                f"Another edge named {settings.name} is running with this data folder."
            )

    def take(self) -> bool:
        """Take the lock; False if another process has it."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)
        self.is_held = True
        return True

    def ask_holder_to_stop(self) -> None:
        """Send SIGTERM to the process that has the lock, without waiting."""
        text = os.pread(self._descriptor, 32, 0).strip()
        if text.isdigit():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(text), signal.SIGTERM)

    def close(self) -> None:
        """Release the lock."""
        os.close(self._descriptor)


def bind_ports(
    settings: Settings, *, is_alone: bool, is_restart: bool
) -> tuple[Settings, list[socket.socket]]:
    """Bind the ports that the workers share, and replace a port of 0 by the one bound.

    The sockets do not listen, so they accept no connections. If the edge `is_alone`, that
    is, no other edge and no HAProxy of its own has the ports, they must be free. After a
    restart the workers of a killed edge may need a moment to exit. Raises StartupError.
    """
    until = time.monotonic() + (_PORT_SECONDS if is_restart else 0.0)
    bind = partial(_bind, settings.bind, is_alone=is_alone, until=until)
    plain = bind(settings.port, "--bind")
    settings = replace(settings, port=plain.getsockname()[1])
    if not settings.tls_certificates:
        return settings, [plain]
    secure = bind(settings.tls_port, "--tls-port")
    return replace(settings, tls_port=secure.getsockname()[1]), [plain, secure]


def shared_socket(
    address: str, port: int, *, is_exclusive: bool = False
) -> socket.socket:
    """Bind a port that several processes may share, unless `is_exclusive`. Raises OSError."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, not is_exclusive)
        # Accepted connections inherit these, which saves a call each.
        for level, option, value in LIVENESS_OPTIONS:
            bound.setsockopt(level, option, value)
        bound.bind((address, port))
    except OSError:
        bound.close()
        raise
    bound.settimeout(0)
    return bound


def _bind(
    address: str, port: int, option: str, *, is_alone: bool, until: float
) -> socket.socket:
    """Bind a port that becomes free by then; `until` is the monotonic clock in seconds."""
    while True:
        try:
            if is_alone:  # no program listens, not even one that shares the port
                shared_socket(address, port, is_exclusive=True).close()
            return shared_socket(address, port)
        except (OSError, OverflowError) as error:
            if not isinstance(error, OSError) or error.errno != errno.EADDRINUSE:
                raise StartupError(
                    f"Cannot listen on {address}:{port}: {error}"
                ) from error
            if time.monotonic() >= until:
                raise StartupError(
                    f"{address}:{port} is in use by another program. "
                    f"Choose another port with {option}."
                ) from error
        time.sleep(_RETRY_SECONDS)


def portal_client(settings: Settings) -> PortalClient:
    """Return the client for the portal, and check the settings. Raises StartupError."""
    try:
        tls = origin_tls(settings.ca_file)
    except OSError as error:
        raise StartupError(f"The CA file cannot be read: {error}") from error
    try:
        for network in settings.allow_private:
            ip_network(network)
        return PortalClient(settings.portal, settings.credential_file, tls)
    except ValueError as error:
        raise StartupError(str(error)) from error


def announce(settings: Settings, held: Sequence[socket.socket]) -> None:
    """Print where the edge listens, and close the sockets that kept the ports until then."""
    host = f"[{settings.bind}]" if ":" in settings.bind else settings.bind
    line = f"edge {settings.name}: http://{host}:{settings.port}"
    if settings.tls_port:
        line += f" https://{host}:{settings.tls_port}"
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
    for one in held:
        one.close()
