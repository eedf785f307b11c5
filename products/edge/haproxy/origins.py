"""Looks origins up, again and again, and says which addresses may be dialled.

HAProxy is given addresses that were checked here and never a name, so that nothing is
looked up twice with two answers.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from products.edge.addresses import Address, Network
from products.edge.contract import Origin, Route
from products.edge.dial import bare_name
from products.edge.haproxy.config import PLACES, what_is_wrong
from products.edge.resolve import LookUp, Refused, Unresolvable, look_up_stream, resolve

_STALE_SECONDS = 60.0  # a name server that is away must not take origins with it
_AT_ONCE = 16


@dataclass(slots=True)
class Known:
    """What is known of one origin."""

    addresses: tuple[Address, ...] = ()
    reason: str = ""  # why it may not be dialled, "" when it may
    found_at: float = field(default=float("-inf"))


class Origins:
    """The origins of a table."""

    def __init__(
        self,
        allowed_private: Sequence[Network],
        *,
        look_up: LookUp = look_up_stream,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Know nothing yet; `allowed_private` is the operator's word."""
        self._allowed = tuple(allowed_private)
        self._look_up = look_up
        self._clock = clock
        self._known: dict[tuple[str, int], Known] = {}
        self.addresses: dict[str, tuple[Address, ...]] = {}
        self.reasons: dict[str, str] = {}

    async def look_up(self, routes: Iterable[Route], *, again: bool) -> None:
        """Look up what is new and, when told to, all the rest again."""
        wanted = {
            (route.origin.address, route.origin.port)
            for route in routes
            if route.origin is not None and not what_is_wrong(route.origin)
        }
        turn = asyncio.Semaphore(_AT_ONCE)

        async def one(key: tuple[str, int], known: Known) -> None:
            async with turn:
                await asyncio.to_thread(self._renew, *key, known)

        found = {key: self._known.get(key) or Known() for key in wanted}
        await asyncio.gather(*(
            one(key, known)
            for key, known in found.items()
            if again or (not known.addresses and not known.reason)
        ))  # fmt: skip
        self._known |= found

    def conclude(self, routes: Iterable[Route]) -> None:
        """Say of each service what is known by now, and forget other origins."""
        verdicts = {route.service: self._verdict(route.origin) for route in routes}
        self.addresses = {name: known.addresses for name, known in verdicts.items()}
        self.reasons = {
            name: known.reason
            for name, known in verdicts.items()
            if known.reason or known.addresses
        }
        used = {id(known) for known in verdicts.values()}
        self._known = {
            key: known for key, known in self._known.items() if id(known) in used
        }

    def _renew(self, address: str, port: int, known: Known) -> None:
        host = bare_name(address).removesuffix(".")
        try:
            found = resolve(host, port, self._allowed, look_up=self._look_up)
        except Refused as error:
            known.addresses = ()
            known.reason = (
                f"The origin's address may not be reached from here ({error.reason})."
            )
        except Unresolvable:
            if self._clock() - known.found_at > _STALE_SECONDS:
                known.addresses = ()
                known.reason = "The origin's name has no address."
        else:
            # Those in use first: a name that turns its answers round changes nothing.
            stay = [one for one in known.addresses if one in found]
            new = sorted(
                set(found) - set(stay), key=lambda one: (one.version, int(one))
            )
            known.addresses = tuple((stay + new)[:PLACES])
            known.reason = ""
            known.found_at = self._clock()

    def _verdict(self, origin: Origin | None) -> Known:
        if origin is None:
            return Known()
        if reason := what_is_wrong(origin):
            return Known(reason=reason)
        return self._known.get((origin.address, origin.port), Known())
