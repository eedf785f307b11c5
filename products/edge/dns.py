"""A cache of look-ups of origins and log endpoints, for both engines."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import monotonic
from weakref import WeakValueDictionary

from products.addresses import Address, Network
from products.lookup import (
    LOOKUP_ERRORS,
    LOOKUP_SECONDS,
    AddressDenied,
    LookupFunction,
    Unresolvable,
    look_up_in_thread,
    look_up_stream,
    require_allowed,
)

log = logging.getLogger(__name__)

_FRESH_SECONDS = 5.0  # a look-up for each connection would be slow
_STALE_SECONDS = 300.0  # addresses are used this long while look-ups fail
_MAX_NAMES = 100_000
_MAX_CONCURRENT = 32
_MAX_CONCURRENT_PER_OWNER = 8


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
            looking = look_up_in_thread(host, port, self._look_up_function)
            try:
                found = await asyncio.wait_for(
                    asyncio.wrap_future(looking), self._timeout_seconds
                )
                addresses = require_allowed(host, found, self.allowed_private)
                name.usable_until = monotonic() + _STALE_SECONDS
            except (Unresolvable, *LOOKUP_ERRORS):  # includes TimeoutError
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
