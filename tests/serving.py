"""A server for tests that let a program of its own ask the portal."""

from typing import Any

from django.core.servers.basehttp import WSGIServer


class OneAtATime(WSGIServer):
    """Serves one request a connection, in the thread of the live server itself."""

    def __init__(self, *words: Any, connections_override: object, **more: Any) -> None:
        super().__init__(*words, **more)
