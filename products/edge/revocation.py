"""Which open tunnels must close, by the route table and the clock (R12); both engines."""

import time
from collections.abc import Callable, Iterable, Mapping

from products.edge.contract import Route


class RevocationPolicy:
    """Decides by service, and remembers since when a service has not been in the table.

    A service that is removed from the table keeps its tunnels for a grace time: one faulty
    table must not close every connection.
    """

    def __init__(
        self,
        removed_grace_seconds: float,
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        """Keep the tunnels of a removed service for so long, whatever the wall clock does."""
        self._grace_seconds = removed_grace_seconds
        self._elapsed = elapsed
        self._removed_at: dict[str, float] = {}

    def must_close(
        self, services: Iterable[str], routes: Mapping[str, Route], now: float
    ) -> set[str]:
        """Return the services whose tunnels must close; `now` is the wall clock in seconds."""
        return {
            service
            for service in services
            if self._is_over(service, routes.get(service), now)
        }

    def _is_over(self, service: str, route: Route | None, now: float) -> bool:
        if route is None:
            removed_at = self._removed_at.setdefault(service, self._elapsed())
            return self._elapsed() - removed_at >= self._grace_seconds
        self._removed_at.pop(service, None)
        if route.websockets or route.drain_mode == "keep":
            return False
        until = route.drain_until if route.drain_mode == "drain" else None
        return until is None or now >= until.timestamp()
