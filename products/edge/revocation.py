"""Whose open tunnels must end now, by the route table and the clock (R12)."""

from collections.abc import Iterable, Mapping

from products.edge.contract import Route
from products.instants import instant_us


class RevocationPolicy:
    """Judges services; remembers since when one is missing from the table.

    A service that left the table altogether keeps its tunnels for a while: one faulty
    table must not end every connection.
    """

    def __init__(self, gone_seconds: float) -> None:
        """Let the missing live for so long."""
        self._gone_seconds = gone_seconds
        self._absent_since: dict[str, float] = {}

    def of(
        self, services: Iterable[str], routes: Mapping[str, Route], now: float
    ) -> list[str]:
        """List the services whose tunnels must end; `now` is the wall clock in seconds."""
        return [one for one in services if self._is_doomed(one, routes.get(one), now)]

    def _is_doomed(self, service: str, route: Route | None, now: float) -> bool:
        if route is None:
            since = self._absent_since.setdefault(service, now)
            return now - since >= self._gone_seconds
        self._absent_since.pop(service, None)
        if route.websockets or route.drain_mode == "keep":
            return False
        if route.drain_mode == "cut":
            return True
        return now * 1_000_000 >= instant_us(route.drain_until)
