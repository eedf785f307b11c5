"""Starts the fleet engine's agent, with the lock and the ports taken already."""

import asyncio
import shutil
import socket
from collections.abc import Sequence
from pathlib import Path

import uvloop

from products.edge.errors import StartupError
from products.edge.haproxy.agent import Agent
from products.edge.haproxy.master_socket import HAProxyUnreachable, MasterSocket
from products.edge.haproxy.process import ConfigRejected
from products.edge.portal import PortalLink
from products.edge.settings import Settings
from products.edge.startup import announce

_ALSO = "/usr/sbin/haproxy"  # where Debian keeps it, outside an ordinary PATH


def run_haproxy_engine(
    settings: Settings, portal: PortalLink, held: Sequence[socket.socket]
) -> None:
    """Run until stopped; `held` sockets keep the ports until HAProxy has them.

    Raises StartupError.
    """
    program = shutil.which(settings.haproxy)
    if program is None and settings.haproxy == "haproxy":
        program = shutil.which(_ALSO)
    if program is None:
        raise StartupError(
            "HAProxy is not here. Install it, for example with: apt-get install haproxy"
        )
    try:
        agent = Agent(
            settings,
            portal,
            program,
            runs_it=settings.haproxy_managed_by == "agent",
        )
        uvloop.run(agent.run(lambda: announce(settings, held)))
    except (ConfigRejected, OSError) as error:
        raise StartupError(str(error)) from error


def is_haproxy_running(settings: Settings) -> bool:
    """Tell whether the HAProxy of this folder has the ports; it outlives its agent."""
    try:
        asyncio.run(MasterSocket(Path(settings.data_folder) / "haproxy").processes())
    except HAProxyUnreachable:
        return False
    return True
