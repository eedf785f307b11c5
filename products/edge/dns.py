"""Names to addresses that may be connected to: a single look-up, and a cache of look-ups.

If one of a name's addresses is denied, the name is: a name with a public and a private address
is DNS rebinding, or as good as that. Connect to what is returned here and never look the name
up again.
"""

import asyncio
import functools
import logging
import socket
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
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
class _Entry:
    """The last look-up of a name. Times are seconds of the monotonic clock."""

    task: asyncio.Task[Sequence[Address]]
    started_at: float
    addresses: Sequence[Address] = ()  # of the last look-up that succeeded
    usable_until: float = 0.0
    has_failed: bool = False  # it ended without an answer
    denied_reason: str = ""  # as it was logged


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
        self._entries: dict[tuple[str, int], _Entry] = {}

    async def addresses(
        self, host: str, port: int, *, owner: str, max_age: float | None = None
    ) -> Sequence[Address]:
        """Return the addresses of a host of an owner, for example an account.

        A result older than `max_age` seconds is looked up again; the default is 5 s. Raises
        AddressDenied if one of the addresses is denied, and Unresolvable if there is none.
        """
        entry = self._entries.get((host, port))
        limit = _FRESH_SECONDS if max_age is None else max_age
        if entry is None or (
            entry.task.done() and monotonic() - entry.started_at >= limit
        ):
            entry = self._start(host, port, owner, entry)
        try:
            return await asyncio.shield(entry.task)
        except Unresolvable:
            if monotonic() < entry.usable_until:
                return entry.addresses
            raise

    def _start(self, host: str, port: int, owner: str, before: _Entry | None) -> _Entry:
        if len(self._entries) >= _MAX_NAMES:
            self._entries.clear()
        has_failed = before is not None and before.has_failed
        task = asyncio.ensure_future(self._look_up(host, port, owner, has_failed))
        entry = _Entry(task, monotonic())
        if before is not None:
            entry.addresses, entry.usable_until = before.addresses, before.usable_until
            entry.denied_reason = before.denied_reason
        self._entries[host, port] = entry
        task.add_done_callback(functools.partial(_keep_result, host, entry))
        return entry

    async def _look_up(
        self,
        host: str,
        port: int,
        owner: str,
        has_failed: bool,  # noqa: FBT001 - the key of a slot
    ) -> Sequence[Address]:
        slots = self._slots.setdefault(
            (owner, has_failed), asyncio.Semaphore(_MAX_CONCURRENT_PER_OWNER)
        )
        async with slots, self._all_slots[has_failed]:
            looking = _look_up_in_thread(host, port, self._look_up_function)
            try:
                found = await asyncio.wait_for(
                    asyncio.wrap_future(looking), self._timeout_seconds
                )
            except _LOOKUP_ERRORS as error:  # includes TimeoutError
                raise Unresolvable(host) from error
        return _allowed(host, found, self.allowed_private)


def _keep_result(
    host: str, entry: _Entry, task: asyncio.Task[Sequence[Address]]
) -> None:
    if task.cancelled():
        return
    # Reading the exception marks it as seen, if the caller no longer waits for it.
    error = task.exception()
    entry.has_failed = isinstance(error, Unresolvable)
    if error is None:
        entry.addresses = task.result()
        entry.usable_until = monotonic() + _STALE_SECONDS
    denied_reason = error.reason if isinstance(error, AddressDenied) else ""
    if denied_reason and denied_reason != entry.denied_reason:
        log.warning("An address of %r is not allowed: %s.", host, denied_reason)
    entry.denied_reason = denied_reason
