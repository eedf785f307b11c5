"""Which ports on loopback are free to listen on."""

import errno
import socket
from collections.abc import Mapping

LOOPBACK = "127.0.0.1"
HIGHEST_PORT = 65535


class PortTakenError(Exception):
    """A port cannot be listened on; the message names the variable that chooses another."""


def require_free(ports: Mapping[str, int]) -> None:
    """Raise PortTakenError unless all ports are free; keys are the variables that choose them."""
    chosen: dict[int, str] = {}
    for variable, port in ports.items():
        if port in chosen:
            raise PortTakenError(
                f"{chosen[port]} and {variable} are both {port}: choose two ports."
            )
        chosen[port] = variable
        _require_free(variable, port)


def _require_free(variable: str, port: int) -> None:
    with socket.socket() as probe:
        # As servers do: a connection that lingers from the last run does not count as taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                reason = "is in use by another program"
            else:
                reason = f"cannot be listened on ({error.strerror})"
            other = port + 1000 if port + 1000 <= HIGHEST_PORT else port - 1000
            raise PortTakenError(
                f"Port {port} {reason}. Choose another with {variable}, "
                f"for example: make run {variable}={other}"
            ) from error
