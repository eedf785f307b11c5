"""The names of origins as addresses: looked up off the loop, and nobody in others' way."""

import asyncio
import functools
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import monotonic

from products.edge.addresses import Address, Network
from products.edge.resolve import Unresolvable, resolve

_FRESH_SECONDS = (
    5.0  # a look-up a connection would be slow; a stale one is checked anew
)
_STALE_SECONDS = 300.0  # what was found serves on while the name servers do not answer
_MAX_NAMES = 10_000
# Of their own: taking a table and making usage lasting must not wait behind a name
# server that does not answer, nor one customer's names behind another's.
_MAX_CONCURRENT = 32
_MAX_CONCURRENT_PER_OWNER = 8


@dataclass(slots=True)
class _Known:
    """What is known of a name. Times are the monotonic clock's, in seconds."""

    task: asyncio.Task[Sequence[Address]]
    fresh_until: float
    found: Sequence[Address] = ()
    usable_until: float = 0.0


class CachingResolver:
    """Looks names up, and remembers for a short while what it found, or that it did not."""

    def __init__(
        self, allowed_private: Sequence[Network], *, timeout_seconds: float
    ) -> None:
        """Judge addresses by the operator's word; wait so long for an answer."""
        self._allowed = tuple(allowed_private)
        self._timeout_seconds = timeout_seconds
        self._threads = ThreadPoolExecutor(
            _MAX_CONCURRENT, thread_name_prefix="look-up"
        )
        self._known: dict[tuple[str, int], _Known] = {}
        self._under_way: Counter[str] = Counter()  # by owner

    async def addresses(self, host: str, port: int, *, owner: str) -> Sequence[Address]:
        """Give the addresses that may be dialled for an owner's host: an account's origin, say.

        Raises Refused when any of them may not, Unresolvable when there are none.
        """
        now = monotonic()
        known = self._known.get((host, port))
        if known is None or now >= known.fresh_until:
            known = self._ask(host, port, owner, known, now)
        try:
            return await asyncio.shield(known.task)
        except Unresolvable:
            if monotonic() < known.usable_until:
                return known.found
            raise

    def _ask(
        self, host: str, port: int, owner: str, before: _Known | None, now: float
    ) -> _Known:
        if self._under_way[owner] >= _MAX_CONCURRENT_PER_OWNER:
            if before is not None:
                return before
            raise Unresolvable(host)
        if len(self._known) >= _MAX_NAMES:
            self._known.clear()
        self._under_way[owner] += 1
        known = _Known(
            asyncio.ensure_future(self._resolve(host, port)), now + _FRESH_SECONDS
        )
        if before is not None:
            known.found, known.usable_until = before.found, before.usable_until
        self._known[host, port] = known
        known.task.add_done_callback(functools.partial(self._answered, owner, known))
        return known

    async def _resolve(self, host: str, port: int) -> Sequence[Address]:
        def look_up() -> Sequence[Address]:
            return resolve(
                host, port, self._allowed, timeout_seconds=self._timeout_seconds
            )

        return await asyncio.get_running_loop().run_in_executor(self._threads, look_up)

    def _answered(
        self, owner: str, known: _Known, task: asyncio.Task[Sequence[Address]]
    ) -> None:
        self._under_way[owner] -= 1
        if not self._under_way[owner]:
            del self._under_way[owner]
        # Whoever asked may have gone: an answer that nobody waits for is no fault.
        if not task.cancelled() and task.exception() is None:
            known.found = task.result()
            known.usable_until = monotonic() + _STALE_SECONDS
