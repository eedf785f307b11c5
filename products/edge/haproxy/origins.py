"""Looks origins up, again and again, and says which addresses may be dialled.

HAProxy is given addresses that were checked here and never a name, so that nothing is
looked up twice with two answers.
"""

import asyncio
import functools
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from typing import TypeAlias

from products.edge.addresses import Address, Network
from products.edge.contract import Origin, Route
from products.edge.errors import EdgeError
from products.edge.haproxy.config import PLACES, is_address, what_is_wrong
from products.edge.origin_names import bare_name
from products.edge.resolve import (
    AddressDenied,
    LookupFunction,
    Unresolvable,
    look_up_stream,
    resolve,
)

_STALE_SECONDS = 60.0  # a name server that is away must not take origins with it
_MAX_CONCURRENT = 8  # look-ups of one kind
_MAX_REFRESHED_NAMES = (
    1000  # at a time: every five seconds, and no flood for the name server
)
FIRST, AGAIN, FAILED = LOOKUP_KINDS = ("first", "again", "failed")

Key: TypeAlias = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one origin."""

    addresses: tuple[Address, ...] = ()
    reason: str = ""  # why it may not be dialled, "" when it may
    found_at: float = float("-inf")

    @property
    def kind(self) -> str:
        """Say what a look-up of it is: of names that hang, those of one kind wait alone."""
        return AGAIN if self.addresses else FAILED if self.reason else FIRST


class OriginResolver:
    """The origins of a table. Nobody waits for a look-up who does not ask to."""

    def __init__(
        self,
        allowed_private: Sequence[Network],
        *,
        look_up: LookupFunction = look_up_stream,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Know nothing yet; `allowed_private` is the operator's word."""
        self._allowed = tuple(allowed_private)
        self._look_up = look_up
        self._clock = clock
        self._known: dict[Key, Known] = {}
        self._under_way: dict[Key, asyncio.Future[Known]] = {}
        # Threads of their own: those of the loop ask the portal and sync the usage store.
        self._pools = {
            kind: ThreadPoolExecutor(
                _MAX_CONCURRENT, thread_name_prefix=f"origins-{kind}"
            )
            for kind in LOOKUP_KINDS
        }
        self.news = asyncio.Event()  # a look-up has told something new
        self.addresses: dict[str, tuple[Address, ...]] = {}
        self.reasons: dict[str, str] = {}

    def look_up(self, routes: Iterable[Route], *, again: bool) -> None:
        """Begin to look up what is new and, when told to, the longest known once more."""
        wanted = dict.fromkeys(
            (route.origin.address, route.origin.port)
            for route in routes
            if route.origin is not None and not what_is_wrong(route.origin)
        )
        for key in wanted:
            if self._known.setdefault(key, Known()).kind == FIRST:
                self._begin(key)
        if again:
            due = (
                key
                for key in self._known
                if key in wanted and not is_address(bare_name(key[0]))
            )
            for key in list(islice(due, _MAX_REFRESHED_NAMES)):
                self._known[key] = self._known.pop(key)  # to the end of the queue
                self._begin(key)

    async def settle(
        self, seconds: float, kinds: Collection[str] = LOOKUP_KINDS
    ) -> None:
        """Wait for what is being looked up, but so long at the most."""
        awaited = [
            look_up
            for key, look_up in self._under_way.items()
            if key in self._known and self._known[key].kind in kinds
        ]
        if awaited:
            await asyncio.wait(awaited, timeout=seconds)

    def close(self) -> None:
        """Begin no more look-ups."""
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)

    def publish_results(self, routes: Iterable[Route]) -> None:
        """Say of each service what is known by now."""
        verdicts = {route.service: self._verdict(route.origin) for route in routes}
        self.addresses = {name: known.addresses for name, known in verdicts.items()}
        self.reasons = {
            name: known.reason
            for name, known in verdicts.items()
            if known.reason or known.addresses
        }

    def forget_all_but(self, routes: Iterable[Route]) -> None:
        """Forget the origins of an earlier table."""
        used = {
            (route.origin.address, route.origin.port)
            for route in routes
            if route.origin is not None
        }
        self._known = {key: self._known[key] for key in self._known.keys() & used}

    def _begin(self, key: Key) -> None:
        if key in self._under_way:
            return
        known = self._known[key]
        pool = self._pools[known.kind]
        loop = asyncio.get_running_loop()
        look_up = loop.run_in_executor(pool, self._renewed, *key, known)
        self._under_way[key] = look_up
        look_up.add_done_callback(functools.partial(self._learn, key))

    def _learn(self, key: Key, look_up: asyncio.Future[Known]) -> None:
        del self._under_way[key]
        if look_up.cancelled() or key not in self._known:
            return
        before, self._known[key] = self._known[key], look_up.result()
        if self._known[key] != replace(before, found_at=self._known[key].found_at):
            self.news.set()

    def _renewed(self, address: str, port: int, known: Known) -> Known:
        host = bare_name(address).removesuffix(".")
        try:
            found = resolve(host, port, self._allowed, look_up=self._look_up)
        except AddressDenied as error:
            return Known(
                (),
                EdgeError.ORIGIN_DENIED.sentence(reason=error.reason),
            )
        except Unresolvable:
            if self._clock() - known.found_at > _STALE_SECONDS:
                return Known((), EdgeError.ORIGIN_NOT_RESOLVED.sentence())
            return known
        # Those in use first: a name that turns its answers round changes nothing.
        stay = [one for one in known.addresses if one in found]
        new = sorted(set(found) - set(stay), key=lambda one: (one.version, int(one)))
        return Known(tuple((stay + new)[:PLACES]), "", self._clock())

    def _verdict(self, origin: Origin | None) -> Known:
        if origin is None:
            return Known()
        if reason := what_is_wrong(origin):
            return Known(reason=reason)
        return self._known.get((origin.address, origin.port), Known())
