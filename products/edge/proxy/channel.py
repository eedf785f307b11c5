"""How an edge's control process and its workers talk: JSON with a length before it."""

import asyncio
import json
import socket
import struct
from typing import Any

_LENGTH = struct.Struct(">I")


class Channel:
    """One end of a socket pair."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Speak over streams."""
        self._reader = reader
        self._writer = writer

    @classmethod
    async def over(cls, connection: socket.socket) -> "Channel":
        """Speak over a socket, which the channel then owns."""
        return cls(*await asyncio.open_connection(sock=connection))

    def send(self, message: dict[str, Any]) -> None:
        """Send a message; nothing happens when nobody is there any more."""
        data = json.dumps(message).encode()
        if not self._writer.is_closing():
            self._writer.write(_LENGTH.pack(len(data)) + data)

    async def receive(self) -> dict[str, Any] | None:
        """Wait for a message; None when the other end is gone."""
        try:
            head = await self._reader.readexactly(_LENGTH.size)
            data = await self._reader.readexactly(_LENGTH.unpack(head)[0])
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        message = json.loads(data)
        return message if isinstance(message, dict) else None

    def close(self) -> None:
        """Hang up."""
        self._writer.close()
