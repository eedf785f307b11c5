"""What an edge takes before it starts: its lock, its ports, its word with the portal."""

import asyncio
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
from ipaddress import ip_network
from pathlib import Path

from products.edge.errors import StartupError
from products.edge.files import atomic_write
from products.edge.haproxy.master_socket import HAProxyUnreachable, MasterSocket
from products.edge.origin_names import origin_tls
from products.edge.portal import PortalClient
from products.edge.proxy.listener import shared_socket
from products.edge.settings import Settings

_LOCK = "edge.lock"
_NAME = "edge.name"
_PORT_SECONDS = 3.0  # for a port to become free
_LOOK_SECONDS = 0.05


class FolderLock:
    """The lock on an edge's data folder, and its name in it; it ends with the process.

    The usage store is one edge's: a second one would end what the first has open, and
    report it under its own name once more. So the folder keeps the name that began it.
    """

    def __init__(self, settings: Settings) -> None:
        """Take the lock, or wait beside its holder where that is wanted.

        Raises StartupError.
        """
        self.is_ours = False
        folder = Path(settings.data_folder)
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
            self.take()
            owner = self._owner(folder / _NAME, settings.name)
        except OSError as error:
            raise StartupError(f"The data folder cannot be used: {error}") from error
        if owner != settings.name:
            self.close()
            raise StartupError(
                f"The data folder is that of {owner}, and what lies in it is reported "
                f"under that name. Give {settings.name} a folder of its own with "
                f"--data-dir, or go on with --name {owner}."
            )
        if not self.is_ours and not settings.take_over:
            self.close()
            raise StartupError(
                f"Another edge named {settings.name} runs with this data folder."
            )

    def take(self) -> bool:
        """Take the lock; False when another process has it."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)
        self.is_ours = True
        return True

    def ask_holder_to_stop(self) -> None:
        """Send the process that has the lock a SIGTERM, and wait for nothing."""
        text = os.pread(self._descriptor, 32, 0).strip()
        if text.isdigit():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(text), signal.SIGTERM)

    def close(self) -> None:
        """Give the lock up."""
        os.close(self._descriptor)

    def _owner(self, path: Path, name: str) -> str:
        if self.is_ours and not path.exists():
            atomic_write(path, f"{name}\n".encode())
        return path.read_text("utf-8").strip()


def bind_ports(
    settings: Settings, *, is_alone: bool
) -> tuple[Settings, list[socket.socket]]:
    """Bind the ports for the workers, which share them, and settle a port of 0.

    The sockets do not listen, so they take no connection. One that `is_alone`, taking
    over from nobody, wants ports on which nobody listens. Raises StartupError.
    """
    is_alone = is_alone and not _own_haproxy_runs(settings)
    plain = _hold(settings.bind, settings.port, "--bind", is_alone=is_alone)
    settings = replace(settings, port=plain.getsockname()[1])
    if not settings.certificate_folder:
        return settings, [plain]
    secure = _hold(settings.bind, settings.tls_port, "--tls-port", is_alone=is_alone)
    return replace(settings, tls_port=secure.getsockname()[1]), [plain, secure]


def _hold(address: str, port: int, option: str, *, is_alone: bool) -> socket.socket:
    until = time.monotonic() + _PORT_SECONDS
    try:
        # Workers of an edge that was killed may still be about to end.
        while is_alone and not _is_free(address, port):
            if time.monotonic() >= until:
                raise StartupError(
                    f"Cannot listen on {address}:{port}: another program does. "
                    f"Choose another with {option}."
                )
            time.sleep(_LOOK_SECONDS)
        return shared_socket(address, port)
    except (OSError, OverflowError) as error:
        raise StartupError(f"Cannot listen on {address}:{port}: {error}") from error


def _is_free(address: str, port: int) -> bool:
    """Say whether nobody listens: a socket that shares nothing may be bound."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            return False
    return True


def _own_haproxy_runs(settings: Settings) -> bool:
    """Say whether this folder's own HAProxy has the ports; it outlives its agent."""
    if settings.engine != "haproxy":
        return False
    try:
        asyncio.run(MasterSocket(Path(settings.data_folder) / "haproxy").processes())
    except HAProxyUnreachable:
        return False
    return True


def portal_client(settings: Settings) -> PortalClient:
    """Make the client for the portal, and look at the settings. Raises StartupError."""
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
