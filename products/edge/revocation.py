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
    ) -> dict[str, str]:
        """Return the services whose tunnels must close, with the reason: cut, drain or removed.

        `now` is the wall clock in seconds.
        """
        reasons = {
            service: self._close_reason(service, routes.get(service), now)
            for service in services
        }
        return {service: reason for service, reason in reasons.items() if reason}

    def _close_reason(self, service: str, route: Route | None, now: float) -> str:
        if route is None:
            removed_at = self._removed_at.setdefault(service, self._elapsed())
            is_over = self._elapsed() - removed_at >= self._grace_seconds
            return "removed" if is_over else ""
        self._removed_at.pop(service, None)
        if route.websockets or route.drain_mode == "keep":
            return ""
        if route.drain_mode == "cut":
            return "cut"
        until = route.drain_until
        return "drain" if until is None or now >= until.timestamp() else ""
