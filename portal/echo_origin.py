"""The demo's origin: a WebSocket echo that answers a plain GET with a page to try it.

`python -m portal.echo_origin --port 8081`. A text message `headers` is answered with the request
headers of the handshake as they arrived, GET /headers with those of that request: what the header
rules of a service did to them can be seen (R11).
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
ASK_FOR_HEADERS = "headers"
CLOSE_SECONDS = 2.0  # how long a client has to answer the closing frame
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


def answer(_connection: ServerConnection, request: Request) -> Response | None:
    """Answer a plain request; None lets a WebSocket handshake go on."""
    if request.headers.get("Upgrade", "").lower() == "websocket":
        return None
    response = _page(request)
    if request.method == "HEAD":
        response.body = b""
    return response


def _page(request: Request) -> Response:
    """Return what lies at a path, the page or one of its files."""
    if request.method not in {"GET", "HEAD"}:
        return _response(
            HTTPStatus.METHOD_NOT_ALLOWED, PLAIN, b"Only GET is answered here.\n"
        )
    path = request.path.partition("?")[0]
    if path in FILES:
        name, kind = FILES[path]
        return _response(HTTPStatus.OK, kind, (FOLDER / name).read_bytes())
    if path == "/headers":
        return _response(HTTPStatus.OK, "application/json", _seen(request).encode())
    return _response(HTTPStatus.NOT_FOUND, PLAIN, b"Nothing is here.\n")


async def echo(connection: ServerConnection) -> None:
    """Send every message back until the client goes; `headers` is answered instead."""
    try:
        async for message in connection:
            asks = message == ASK_FOR_HEADERS
            await connection.send(_seen(connection.request) if asks else message)
    except ConnectionClosed:
        return  # the client went without a closing frame


async def run(port: int) -> None:
    """Serve on loopback until SIGTERM or SIGINT."""
    asked_to_stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked_to_stop.set)
    async with serve(
        echo,
        LOOPBACK,
        port,
        process_request=answer,
        close_timeout=CLOSE_SECONDS,
        server_header="echo",
    ):
        await asked_to_stop.wait()


def _seen(request: Request | None) -> str:
    """Return path and headers of a request as JSON, in the order of arrival."""
    if request is None:  # never so once a message has come
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
    parser = argparse.ArgumentParser(description="A WebSocket echo on loopback.")
    parser.add_argument("--port", type=int, default=8081)
    asyncio.run(run(parser.parse_args().port))


if __name__ == "__main__":
    main()
