"""Turns a host name into addresses that may be dialled, all of them or none."""

import queue
import socket
import threading
from collections.abc import Callable, Iterable
from ipaddress import ip_address
from typing import Any, TypeAlias

from products.edge.addresses import Address, Network, denied_reason

LookupFunction: TypeAlias = Callable[[str, int], Iterable[tuple[Any, ...]]]

_LOOK_UP_SECONDS = (
    3.0  # what a person waits for; a name server of bad will waits longer
)


class AddressDenied(Exception):
    """An answer of the resolver may not be dialled."""

    def __init__(self, reason: str) -> None:
        """Keep the class of reason, as `addresses.check` words it."""
        super().__init__(reason)
        self.reason = reason


class Unresolvable(Exception):
    """The name has no address, or none in time."""


def look_up_stream(host: str, port: int) -> Iterable[tuple[Any, ...]]:
    """Ask the machine's resolver for the stream addresses of a host."""
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


def resolve(
    host: str,
    port: int,
    allowed_private: Iterable[Network] = (),
    *,
    look_up: LookupFunction = look_up_stream,
    timeout_seconds: float = _LOOK_UP_SECONDS,
) -> tuple[Address, ...]:
    """Look a host up once and return its addresses, in the resolver's order.

    One refused answer refuses the whole: a name that points at a public and at a
    private address is rebinding, or might as well be. Dial what is returned here and
    never look the name up again. Blocks for `timeout_seconds` at the most.

    Raises AddressDenied when any answer may not be dialled, and Unresolvable when there is
    no answer.
    """
    allowed = tuple(allowed_private)
    found = tuple(dict.fromkeys(_look_up(host, port, look_up, timeout_seconds)))
    if not found:
        raise Unresolvable(host)
    for address in found:
        reason = denied_reason(address, allowed)
        if reason is not None:
            raise AddressDenied(reason)
    return found


def _look_up(
    host: str, port: int, look_up: LookupFunction, timeout_seconds: float
) -> tuple[Address, ...]:
    if not host:
        raise Unresolvable(host)
    # The platform's resolver takes no deadline, so it is waited for from outside.
    answers: queue.SimpleQueue[tuple[Address, ...] | Exception] = queue.SimpleQueue()

    def work() -> None:
        try:
            answers.put(
                tuple(ip_address(answer[4][0]) for answer in look_up(host, port))
            )
        except (OSError, ValueError, OverflowError) as error:
            # ValueError: a name that cannot be encoded, or one with a null in it.
            answers.put(error)

    threading.Thread(target=work, name="resolve", daemon=True).start()
    try:
        answer = answers.get(timeout=timeout_seconds)
    except queue.Empty as error:
        raise Unresolvable(host) from error
    if isinstance(answer, Exception):
        raise Unresolvable(host) from answer
    return answer
