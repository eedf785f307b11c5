"""Who is before the door: all handshakes in flight, and what each address has under way."""

from collections import Counter

from products.edge.errors import EdgeError, ErrorResponse
from products.edge.settings import Limits


class ConnectionSlot:
    """One connection's place in the crowd, from accept until it is answered."""

    __slots__ = ("_crowd", "_is_here", "_is_new", "client")

    def __init__(self, crowd: "ConnectionLimiter", client: str) -> None:
        """Count from now on."""
        self.client = client
        self._crowd = crowd
        self._is_here = self._is_new = True
        crowd.handshakes += 1
        crowd.by_client[client] += 1

    def is_carried(self) -> None:
        """Be no handshake any more: an ordinary request, which may take its time.

        Slow bodies keep no WebSocket out, and still count against their address.
        """
        if self._is_new:
            self._is_new = False
            self._crowd.handshakes -= 1

    def leave(self) -> None:
        """Count no longer."""
        self.is_carried()
        if self._is_here:
            self._is_here = False
            by_client = self._crowd.by_client
            by_client[self.client] -= 1
            if not by_client[self.client]:
                del by_client[self.client]


class ConnectionLimiter:
    """The counts of one process, and their caps."""

    def __init__(self, limits: Limits) -> None:
        """Count nobody yet."""
        self.handshakes = 0
        self.by_client: Counter[str] = Counter()
        self._limits = limits

    def refusal(self, client: str) -> ErrorResponse | None:
        """Say why an address gets no place, None when it gets one."""
        if self.handshakes >= self._limits.handshakes:
            return ErrorResponse(EdgeError.CONNECTION_LIMIT)
        if self.by_client[client] >= self._limits.handshakes_per_address:
            return ErrorResponse(EdgeError.ADDRESS_LIMIT)
        return None
