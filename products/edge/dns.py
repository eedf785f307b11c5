"""Names to addresses that may be connected to: a single look-up, and a cache of look-ups.

If one of a name's addresses is denied, the name is: a name with a public and a private address
is DNS rebinding, or as good as that. Connect to what is returned here and never look the name
up again.
"""

import asyncio
import logging
import socket
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from ipaddress import ip_address
from time import monotonic
from typing import Any, TypeAlias
from weakref import WeakValueDictionary

from products.edge.addresses import Address, Network, denied_reason

log = logging.getLogger(__name__)

LookupFunction: TypeAlias = Callable[[str, int], Iterable[tuple[Any, ...]]]

LOOKUP_SECONDS = 3.0  # a person waits for it; a name server that hangs takes longer

_FRESH_SECONDS = 5.0  # a look-up for each connection would be slow
_STALE_SECONDS = 300.0  # addresses are used this long while look-ups fail
_MAX_NAMES = 100_000
# Of one name. All are checked; to connect to more takes longer than anybody waits.
MAX_ADDRESSES = 16
_MAX_CONCURRENT = 32
_MAX_CONCURRENT_PER_OWNER = 8
# OverflowError: a port that is none. ValueError: a name that cannot be encoded.
_LOOKUP_ERRORS = (OSError, ValueError, OverflowError)


class AddressDenied(Exception):
    """A name has an address that the edge must not connect to."""

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
        found = _look_up_in_thread(host, port, look_up).result(timeout_seconds)
    except _LOOKUP_ERRORS as error:  # includes TimeoutError
        raise Unresolvable(host) from error
    return _allowed(host, found, allowed_private)


def _look_up_in_thread(
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
        except _LOOKUP_ERRORS as error:
            found.set_exception(error)

    threading.Thread(target=work, name="resolve", daemon=True).start()
    return found


def _allowed(
    host: str, found: Iterable[Address], allowed_private: Iterable[Network]
) -> tuple[Address, ...]:
    """Return the first addresses of a host if all are allowed."""
    addresses = tuple(dict.fromkeys(found))
    if not addresses:
        raise Unresolvable(host)
    allowed = tuple(allowed_private)
    for address in addresses:
        reason = denied_reason(address, allowed)
        if reason is not None:
            raise AddressDenied(reason)
    return addresses[:MAX_ADDRESSES]


@dataclass(slots=True)
class KnownName:
    """What is known of a name. Times are seconds of the monotonic clock."""

    task: asyncio.Task[None] = field(init=False)  # its newest look-up
    started_at: float = 0.0
    addresses: tuple[Address, ...] = ()  # of the last look-up that succeeded
    usable_until: float = 0.0
    has_failed: bool = False  # the last look-up ended without an answer
    denied_reason: str = ""

    def result(self) -> tuple[Address, ...]:
        """Return the addresses, none before the first look-up has ended.

        Raises AddressDenied, Unresolvable.
        """
        if self.denied_reason:
            raise AddressDenied(self.denied_reason)
        if self.has_failed and monotonic() >= self.usable_until:
            raise Unresolvable
        return self.addresses


class CachingResolver:
    """Looks names up in threads of their own and keeps the results for a short time.

    One owner's names do not delay those of another, and names that could not be resolved
    last time do not delay the rest.
    """

    def __init__(
        self,
        allowed_private: Sequence[Network],
        *,
        timeout_seconds: float = LOOKUP_SECONDS,
        look_up: LookupFunction = look_up_stream,
    ) -> None:
        """Allow private addresses in these networks; wait so long for a name server."""
        self.allowed_private = tuple(allowed_private)
        self._timeout_seconds = timeout_seconds
        self._look_up_function = look_up
        # By whether the name's last look-up failed.
        self._all_slots = {
            has_failed: asyncio.Semaphore(_MAX_CONCURRENT)
            for has_failed in (False, True)
        }
        self._slots: WeakValueDictionary[tuple[str, bool], asyncio.Semaphore] = (
            WeakValueDictionary()
        )
        self.names: dict[tuple[str, int], KnownName] = {}  # the oldest look-up first
        self.has_changed = asyncio.Event()  # a look-up had another result than before

    async def addresses(
        self, host: str, port: int, *, owner: str
    ) -> tuple[Address, ...]:
        """Return the addresses of a host of an owner, for example an account.

        A result older than 5 s is looked up again. Raises AddressDenied if one of the
        addresses is denied, and Unresolvable if there is none.
        """
        name = self.look_up(host, port, owner=owner, max_age=_FRESH_SECONDS)
        await asyncio.shield(name.task)
        return name.result()

    def look_up(self, host: str, port: int, *, owner: str, max_age: float) -> KnownName:
        """Start to look a host up, unless that runs or was done within `max_age` seconds."""
        now = monotonic()
        name = self.names.get((host, port))
        if name is not None:
            if not name.task.done() or now - name.started_at < max_age:
                return name
            del self.names[host, port]
        elif len(self.names) >= _MAX_NAMES:
            del self.names[next(iter(self.names))]
        name = self.names[host, port] = name or KnownName()
        name.started_at = now
        name.task = asyncio.ensure_future(self._look_up(name, host, port, owner))
        return name

    async def _look_up(self, name: KnownName, host: str, port: int, owner: str) -> None:
        slots = self._slots.setdefault(
            (owner, name.has_failed), asyncio.Semaphore(_MAX_CONCURRENT_PER_OWNER)
        )
        addresses, has_failed, denied_reason = name.addresses, False, ""
        async with slots, self._all_slots[name.has_failed]:
            looking = _look_up_in_thread(host, port, self._look_up_function)
            try:
                found = await asyncio.wait_for(
                    asyncio.wrap_future(looking), self._timeout_seconds
                )
                addresses = _allowed(host, found, self.allowed_private)
                name.usable_until = monotonic() + _STALE_SECONDS
            except (Unresolvable, *_LOOKUP_ERRORS):  # includes TimeoutError
                has_failed = True
            except AddressDenied as denied:
                denied_reason = denied.reason
        if denied_reason and denied_reason != name.denied_reason:
            log.warning("An address of %r is not allowed: %s.", host, denied_reason)
        before = set(name.addresses), name.has_failed, name.denied_reason
        if before != (set(addresses), has_failed, denied_reason):
            self.has_changed.set()
        name.addresses, name.has_failed = addresses, has_failed
        name.denied_reason = denied_reason
