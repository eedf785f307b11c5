"""Many clients that connect and echo, with a record of what each saw and when; and their origin.

No two attempts send a request of the same length, and all messages have the same length. So the
remainder of a connection's bytes identifies the attempt.
"""

import asyncio
import random
import socket
import threading
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from tests.crash.portal import HOST
from tests.products.edge.running import handshake
from tests.products.edge.scripted import plain_answer, switching

MESSAGE = 8192  # bytes
APART = 2  # bytes between the requests of two attempts
MAX_MESSAGES = MESSAGE // APART
SHORTEST = len(handshake(HOST))
ANSWER = len(switching(handshake(HOST)))
AGAIN_SECONDS = 0.2  # after a connection that was refused


@dataclass(slots=True)
class Attempt:
    """One connection to the edge. Times are monotonic; 0 means that it did not happen."""

    number: int
    began_at: float
    status: int = 0  # that the client saw
    opened_at: float = 0.0
    sent: int = 0
    seen: list[tuple[float, int]] = field(default_factory=list)  # bytes to the client
    left_at: float = 0.0  # when the client began to close it
    ended_at: float = 0.0

    @property
    def request(self) -> int:
        """Return the length of its request."""
        return SHORTEST + APART * self.number

    @property
    def last_seen_at(self) -> float:
        """Return when it last received something, or else when it began."""
        return self.seen[-1][0] if self.seen else self.began_at

    @property
    def received(self) -> int:
        """Return the bytes that it received."""
        return self.seen[-1][1] if self.seen else 0


class Loop:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        """Start it."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def call(self, work: Coroutine[Any, Any, Any], seconds: float = 60) -> Any:
        """Run a coroutine in the loop, and return its result."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(seconds)

    def close(self) -> None:
        """Cancel all tasks and stop the loop; a second call does nothing."""
        if self._loop.is_closed():
            return
        self.call(self._cancel_all())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(20)
        self._loop.close()

    async def _cancel_all(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


class EchoOrigin:
    """Upgrades and sends every byte back; answers an ordinary request with a page."""

    def __init__(self, port: int) -> None:
        """Listen on a port of loopback."""
        self._loop = Loop()
        listening = asyncio.start_server(self._serve, "127.0.0.1", port, backlog=1024)
        self._server = self._loop.call(listening)

    def close(self) -> None:
        """Stop listening and close all connections."""
        self._server.close()
        self._loop.close()

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            if b"upgrade: websocket" in head.lower():
                writer.write(switching(head))
                while data := await reader.read(65_536):
                    writer.write(data)
            else:
                writer.write(plain_answer())
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


class Swarm:
    """Clients that keep connecting to an edge's port until `stop`."""

    def __init__(
        self,
        port: int,
        *,
        clients: int,
        seed: object,
        lives: float,
        pause: float = 0.2,
    ) -> None:
        """Start them; each connection is closed after at most `lives` seconds.

        A client waits up to `pause` seconds between two messages.
        """
        self.attempts: list[Attempt] = []
        # Attempts at which no process listened: from when to when.
        self.refused: list[tuple[float, float]] = []
        self._port = port
        self._lives = lives
        self._pause = pause
        self._stopping = False
        self._loop = Loop()
        self._max_attempts = (
            MAX_MESSAGES - clients
        )  # each client may begin one above it
        chances = [random.Random(f"{seed}.{number}") for number in range(clients)]
        self._clients = self._loop.call(self._start(chances))

    @property
    def opened(self) -> list[Attempt]:
        """Return the attempts that saw a 101."""
        return [attempt for attempt in self.attempts if attempt.opened_at]

    @property
    def open_now(self) -> int:
        """Return how many are open."""
        return sum(not attempt.ended_at for attempt in self.opened)

    def stop(self) -> None:
        """Let all clients close their connections, and wait for it."""
        self._stopping = True
        self._loop.call(self._all_gone())
        self._loop.close()

    def close(self) -> None:
        """Stop all clients without waiting for them."""
        self._loop.close()

    async def _start(self, chances: list[random.Random]) -> list[asyncio.Task[None]]:
        return [asyncio.ensure_future(self._live(chance)) for chance in chances]

    async def _all_gone(self) -> None:
        await asyncio.gather(*self._clients)

    async def _live(self, chance: random.Random) -> None:
        await asyncio.sleep(chance.uniform(0, 0.5))  # not all at the same time
        # If all request lengths are used, no client begins again.
        while not self._stopping and len(self.attempts) < self._max_attempts:
            began_at = time.monotonic()
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            except OSError:
                self.refused.append((began_at, time.monotonic()))
                await asyncio.sleep(AGAIN_SECONDS)
                continue
            attempt = Attempt(len(self.attempts), began_at)
            assert attempt.request < SHORTEST + MESSAGE, "too many to tell apart"
            self.attempts.append(attempt)
            try:
                await self._talk(attempt, reader, writer, chance)
            except (OSError, asyncio.IncompleteReadError):
                pass
            finally:
                writer.close()
            attempt.ended_at = time.monotonic()

    async def _talk(
        self,
        attempt: Attempt,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        chance: random.Random,
    ) -> None:
        target = "/" + "x" * (APART * attempt.number)
        writer.write(handshake(HOST, target=target))
        head = await reader.readuntil(b"\r\n\r\n")
        attempt.status = int(head.split(b" ", 2)[1])
        if attempt.status != 101:
            return
        attempt.opened_at = time.monotonic()
        attempt.seen.append((attempt.opened_at, len(head)))
        until = attempt.opened_at + chance.uniform(0, self._lives)
        while time.monotonic() < until and not self._stopping:
            attempt.sent += MESSAGE
            writer.write(b"x" * MESSAGE)
            await reader.readexactly(MESSAGE)
            attempt.seen.append((time.monotonic(), attempt.received + MESSAGE))
            await asyncio.sleep(chance.uniform(self._pause / 10, self._pause))
        attempt.left_at = time.monotonic()
        writer.write_eof()
        assert await reader.read() == b"", "bytes that the client did not send"


def plain_request(port: int) -> bytes:
    """Request a page through the edge, and return the whole response."""
    with socket.create_connection(("127.0.0.1", port), 20) as connection:
        connection.sendall(f"GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
        answer = bytearray()
        while data := connection.recv(65_536):
            answer += data
        return bytes(answer)
