"""Names to addresses that may be connected to, by a single look-up.

If one of a name's addresses is denied, the name is: a name with a public and a private address
is DNS rebinding, or as good as that. Connect to what is returned here and never look the name
up again.
"""

import socket
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from ipaddress import ip_address
from typing import Any, TypeAlias

from products.addresses import Address, Network, denied_reason

LookupFunction: TypeAlias = Callable[[str, int], Iterable[tuple[Any, ...]]]

LOOKUP_SECONDS = 3.0  # a person waits for it; a name server that hangs takes longer
# OverflowError: a port that is none. ValueError: a name that cannot be encoded.
LOOKUP_ERRORS = (OSError, ValueError, OverflowError)

# Of one name. All are checked; to try more takes longer than a client waits.
_MAX_ADDRESSES = 16


class AddressDenied(Exception):
    """A name has an address that must not be connected to."""

    def __init__(self, reason: str) -> None:
        """Keep the class of reason, as `addresses.denied_reason` gives it."""
        super().__init__(reason)
        self.reason = reason


class Unresolvable(Exception):
    """The name has no address, or none in time."""


def look_up_stream(host: str, port: int) -> Iterable[tuple[Any, ...]]:
    """Return the machine's stream addresses of a host, as `getaddrinfo` gives them."""
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


def resolve(
    host: str,
    port: int,
    allowed_private: Iterable[Network] = (),
    *,
    look_up: LookupFunction = look_up_stream,
    timeout_seconds: float = LOOKUP_SECONDS,
) -> tuple[Address, ...]:
    """Look a host up once and return its first 16 addresses, in the resolver's order.

    Blocks for at most `timeout_seconds`. Raises AddressDenied if one of the addresses is
    denied, and Unresolvable if there is none.
    """
    try:
        found = look_up_in_thread(host, port, look_up).result(timeout_seconds)
    except LOOKUP_ERRORS as error:  # includes TimeoutError
        raise Unresolvable(host) from error
    return require_allowed(host, found, allowed_private)


def look_up_in_thread(
    host: str, port: int, look_up: LookupFunction
) -> "Future[tuple[Address, ...]]":
    """Look a host up in a thread of its own, because the machine's resolver takes no deadline.

    The thread is a daemon, so a process that exits does not wait for a name server.
    """
    found: Future[tuple[Address, ...]] = Future()
    found.set_running_or_notify_cancel()  # a caller that stops waiting cannot cancel it

    def work() -> None:
        try:
            entries = look_up(host, port) if host else ()
            found.set_result(tuple(ip_address(entry[4][0]) for entry in entries))
        except LOOKUP_ERRORS as error:
            found.set_exception(error)

    threading.Thread(target=work, name="resolve", daemon=True).start()
    return found


def require_allowed(
    host: str, found: Iterable[Address], allowed_private: Iterable[Network]
) -> tuple[Address, ...]:
    """Return a host's first addresses if all are allowed. Raises AddressDenied, Unresolvable."""
    addresses = tuple(dict.fromkeys(found))
    if not addresses:
        raise Unresolvable(host)
    allowed = tuple(allowed_private)
    for address in addresses:
        reason = denied_reason(address, allowed)
        if reason is not None:
            raise AddressDenied(reason)
    return addresses[:_MAX_ADDRESSES]
