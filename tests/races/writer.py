"""A client that changes a service through the API, and keeps what was acknowledged."""

import threading
from urllib.error import URLError

from tests.stories.stack import Stack

PAUSE_SECONDS = 0.05  # the API allows a token 1,000 writes per hour


class Writer(threading.Thread):
    """Writes until it is stopped or a request fails."""

    def __init__(self, stack: Stack, person: str, name: str) -> None:
        """Start it; its comments begin with its name."""
        super().__init__(name=name, daemon=True)
        self.acknowledged: list[str] = []
        self.statuses: set[int] = set()
        self.has_written = threading.Event()
        self._stack = stack
        self._person = person
        self._stopping = threading.Event()
        self.start()

    def run(self) -> None:
        """Write until it is stopped or a request fails."""
        path = f"/api/service/{self._stack.service('echo')}"
        while not self._stopping.wait(PAUSE_SECONDS):
            comment = f"{self.name} {len(self.acknowledged)}"
            try:
                status, _ = self._stack.api(
                    "PUT", path, self._person, {"comment": comment}
                )
            except (URLError, OSError):
                return
            self.statuses.add(status)
            if status != 200:
                return
            self.acknowledged.append(comment)
            self.has_written.set()

    def stop(self) -> None:
        """Stop it, and wait for its last request."""
        self._stopping.set()
        self.join()
