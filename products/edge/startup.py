"""What an edge takes before it starts: its lock, its ports, its word with the portal."""

import fcntl
import os
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


def take_lock(settings: Settings) -> int:
    """Lock the edge's name in its data folder; the lock ends with the process.

    Two edges of one name would report under each other's. Raises CannotStart.
    """
    folder = Path(settings.data_folder)
    path = folder / f"edge-{settings.name}.lock"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise CannotStart(f"The data folder cannot be used: {error}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise CannotStart(
            f"Another edge named {settings.name} runs with this data folder."
        ) from error
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()}\n".encode())
    return descriptor


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
