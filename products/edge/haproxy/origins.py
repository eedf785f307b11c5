"""Which addresses HAProxy connects to for each service.

HAProxy gets addresses that were checked here and never a name, so that nothing is looked up
twice with two results.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeAlias

from products.edge.addresses import Address
from products.edge.contract import Origin, Route
from products.edge.dns import AddressDenied, CachingResolver, Unresolvable
from products.edge.errors import EdgeError
from products.edge.haproxy.config import PLACES, is_address, what_is_wrong
from products.edge.origin_names import bare_name

# Per refresh, which is every five seconds, so that the name server is not flooded.
_MAX_REFRESHED_NAMES = 1000

Key: TypeAlias = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Resolved:
    """The last result for one origin: addresses, or why there are none; neither before it."""

    addresses: tuple[Address, ...] = ()
    reason: str = ""


_UNKNOWN = Resolved()


class OriginResolver:
    """The origins of a route table. Look-ups run in the background; `wait` waits for them."""

    def __init__(self, resolver: CachingResolver) -> None:
        """Start without results."""
        self._resolver = resolver
        self._resolved: dict[Key, Resolved] = {}  # the longest ago first
        self._in_flight: dict[Key, asyncio.Task[None]] = {}
        self.news = asyncio.Event()  # a look-up had another result than before
        self.addresses: dict[str, tuple[Address, ...]] = {}
        self.reasons: dict[str, str] = {}

    def look_up(self, routes: Iterable[Route], *, again: bool) -> None:
        """Start to look up what is new and, if `again`, what was looked up the longest ago."""
        owners = {
            (route.origin.address, route.origin.port): route.account
            for route in routes
            if route.origin is not None and not what_is_wrong(route.origin)
        }
        for key, owner in owners.items():
            if self._resolved.setdefault(key, _UNKNOWN) == _UNKNOWN:
                self._start(key, owner)
        if again:
            due = (
                key
                for key in self._resolved
                if key in owners and not is_address(bare_name(key[0]))
            )
            for key in list(islice(due, _MAX_REFRESHED_NAMES)):
                self._resolved[key] = self._resolved.pop(key)  # to the end
                self._start(key, owners[key])

    async def wait(self, seconds: float, *, only_new: bool = False) -> None:
        """Wait for the look-ups in flight, or for first ones only, at most so long."""
        awaited = [
            task
            for key, task in self._in_flight.items()
            if not only_new or self._resolved.get(key) == _UNKNOWN
        ]
        if awaited:
            await asyncio.wait(awaited, timeout=seconds)

    def close(self) -> None:
        """Wait for no more look-ups."""
        for task in self._in_flight.values():
            task.cancel()

    def publish_results(self, routes: Iterable[Route]) -> None:
        """Set `addresses` and `reasons` of each service to what is known now.

        A reason is "" if the origin has addresses. A service without a result has none.
        """
        results = {route.service: self._result(route.origin) for route in routes}
        self.addresses = {name: result.addresses for name, result in results.items()}
        self.reasons = {
            name: result.reason
            for name, result in results.items()
            if result != _UNKNOWN
        }

    def forget_all_but(self, routes: Iterable[Route]) -> None:
        """Forget the origins of an earlier table."""
        used = {
            (route.origin.address, route.origin.port)
            for route in routes
            if route.origin is not None
        }
        self._resolved = {
            key: result for key, result in self._resolved.items() if key in used
        }

    def _start(self, key: Key, owner: str) -> None:
        if key not in self._in_flight:
            self._in_flight[key] = asyncio.ensure_future(self._renew(key, owner))

    async def _renew(self, key: Key, owner: str) -> None:
        address, port = key
        try:
            found = await self._resolver.addresses(
                bare_name(address).removesuffix("."), port, owner=owner, max_age=0
            )
        except AddressDenied as error:
            reason = EdgeError.ORIGIN_DENIED.sentence(reason=error.reason)
            result = Resolved(reason=reason)
        except Unresolvable:
            result = Resolved(reason=EdgeError.ORIGIN_NOT_RESOLVED.sentence())
        else:
            result = Resolved(self._in_stable_order(key, found))
        finally:
            del self._in_flight[key]
        if self._resolved.get(key, result) != result:
            self._resolved[key] = result
            self.news.set()

    def _in_stable_order(
        self, key: Key, found: Sequence[Address]
    ) -> tuple[Address, ...]:
        # Those in use first: a name whose addresses rotate changes nothing.
        used = self._resolved.get(key, _UNKNOWN).addresses
        kept = [one for one in used if one in found]
        new = sorted(set(found) - set(kept), key=lambda one: (one.version, int(one)))
        return tuple((kept + new)[:PLACES])

    def _result(self, origin: Origin | None) -> Resolved:
        if origin is None:
            return _UNKNOWN
        if reason := what_is_wrong(origin):
            return Resolved(reason=reason)
        return self._resolved.get((origin.address, origin.port), _UNKNOWN)
