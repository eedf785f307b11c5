"""What an edge takes before it starts: its lock, its ports, its word with the portal."""

import contextlib
import fcntl
import os
import signal
import socket
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

from products.edge.dial import origin_tls
from products.edge.listener import shared_socket
from products.edge.portal_client import PortalClient
from products.edge.settings import Settings


class CannotStart(Exception):  # noqa: N818 - told to the operator in one line
    """The edge cannot start; the message says why."""


class NameLock:
    """The lock on an edge's name in its data folder; it ends with the process.

    Two edges of one name would report under each other's.
    """

    def __init__(self, settings: Settings) -> None:
        """Take the lock, or wait beside its holder where that is wanted.

        Raises CannotStart.
        """
        self.is_ours = False
        folder = Path(settings.data_folder)
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._descriptor = os.open(
                folder / f"edge-{settings.name}.lock", os.O_RDWR | os.O_CREAT, 0o600
            )
        except OSError as error:
            raise CannotStart(f"The data folder cannot be used: {error}") from error
        if not self.take() and not settings.takes_over:
            self.close()
            raise CannotStart(
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


def hold_ports(settings: Settings) -> tuple[Settings, list[socket.socket]]:
    """Bind the ports for the workers, which share them, and settle a port of 0.

    The sockets do not listen, so they take no connection. Raises CannotStart.
    """
    held = []
    try:
        plain = shared_socket(settings.bind, settings.port)
        held.append(plain)
        port = plain.getsockname()[1]
        tls_port = settings.tls_port
        if settings.certificate_folder:
            secure = shared_socket(settings.bind, tls_port)
            held.append(secure)
            tls_port = secure.getsockname()[1]
    except (OSError, OverflowError) as error:
        raise CannotStart(
            f"Cannot listen on {settings.bind}:{settings.port}: {error}"
        ) from error
    return replace(settings, port=port, tls_port=tls_port), held


def portal_client(settings: Settings) -> PortalClient:
    """Make the client for the portal, and look at the settings. Raises CannotStart."""
    try:
        tls = origin_tls(settings.ca_file)
    except OSError as error:
        raise CannotStart(f"The CA file cannot be read: {error}") from error
    try:
        for network in settings.allow_private:
            ip_network(network)
        return PortalClient(settings.portal, settings.credential_file, tls)
    except ValueError as error:
        raise CannotStart(str(error)) from error
