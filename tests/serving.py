"""Servers for tests that let another program send requests."""

import threading
from socketserver import BaseServer
from typing import Any

from django.core.servers.basehttp import WSGIServer


class OneAtATime(WSGIServer):
    """Serves one request a connection, in the thread of the live server itself."""

    def __init__(self, *words: Any, connections_override: object, **more: Any) -> None:
        super().__init__(*words, **more)


def serve_in_thread(server: BaseServer) -> threading.Thread:
    """Serve in a thread until `shutdown`, which then takes 20 ms; it is half a second otherwise."""
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
    )
    thread.start()
    return thread
