"""The demo's origin: a WebSocket echo server with a page to try it.

`python -m portal.echo_origin --port 8081`. The text message `headers` returns the headers of the
handshake, and GET /headers those of that request. So the effect of a service's header rules can
be seen (R11).
"""

import argparse
import asyncio
import json
import signal
from http import HTTPStatus
from pathlib import Path
from types import MappingProxyType

from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

LOOPBACK = "127.0.0.1"
HEADERS_MESSAGE = "headers"
CLOSE_SECONDS = 2.0  # how long a client may take to return the close frame
PLAIN = "text/plain; charset=utf-8"
FOLDER = Path(__file__).resolve().parent / "echo_page"
FILES = MappingProxyType(
    {
        "/": ("page.html", "text/html; charset=utf-8"),
        "/page.css": ("page.css", "text/css; charset=utf-8"),
        "/page.js": ("page.js", "text/javascript; charset=utf-8"),
        "/icon.svg": ("icon.svg", "image/svg+xml"),
    }
)
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def respond(_connection: ServerConnection, request: Request) -> Response | None:
    """Return the response to an HTTP request; None accepts a WebSocket handshake."""
    if request.headers.get("Upgrade", "").lower() == "websocket":
        return None
    response = _page(request)
    if request.method == "HEAD":
        response.body = b""
    return response


def _page(request: Request) -> Response:
    """Return the page, one of its files, or the headers of the request."""
    if request.method not in {"GET", "HEAD"}:
        return _response(
            HTTPStatus.METHOD_NOT_ALLOWED, PLAIN, b"Only GET and HEAD are allowed.\n"
        )
    path = request.path.partition("?")[0]
    if path in FILES:
        name, kind = FILES[path]
        return _response(HTTPStatus.OK, kind, (FOLDER / name).read_bytes())
    if path == "/headers":
        return _response(
            HTTPStatus.OK, "application/json", _headers_json(request).encode()
        )
    return _response(HTTPStatus.NOT_FOUND, PLAIN, b"Not found.\n")


async def echo(connection: ServerConnection) -> None:
    """Return every message until the client closes; `headers` returns the handshake's headers."""
    try:
        async for message in connection:
            wants_headers = message == HEADERS_MESSAGE
            await connection.send(
                _headers_json(connection.request) if wants_headers else message
            )
    except ConnectionClosed:
        return  # without a close frame


async def run(port: int) -> None:
    """Serve on loopback until SIGTERM or SIGINT."""
    stop_requested = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop_requested.set)
    async with serve(
        echo,
        LOOPBACK,
        port,
        process_request=respond,
        close_timeout=CLOSE_SECONDS,
        server_header="echo",
    ):
        await stop_requested.wait()


def _headers_json(request: Request | None) -> str:
    """Return the path and headers of a request as JSON, in their order."""
    if request is None:  # for the type checker: after the handshake there is one
        return json.dumps({"path": "", "headers": []})
    return json.dumps(
        {"path": request.path, "headers": list(request.headers.raw_items())}
    )


def _response(status: HTTPStatus, kind: str, body: bytes) -> Response:
    headers = Headers(
        {
            "Content-Type": kind,
            "Content-Length": str(len(body)),
            "Content-Security-Policy": POLICY,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-store",
            "Connection": "close",
        }
    )
    return Response(status.value, status.phrase, headers, body)


def main() -> None:
    """Read the port and serve."""
    parser = argparse.ArgumentParser(description="A WebSocket echo server on loopback.")
    parser.add_argument("--port", type=int, default=8081)
    asyncio.run(run(parser.parse_args().port))


if __name__ == "__main__":
    main()
