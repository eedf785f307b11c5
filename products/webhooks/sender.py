"""Sends messages over HTTPS, only to addresses that origins may have, without redirects.

The name is looked up once, all its addresses are checked, and the connection is made to a checked
one. `http` is allowed only to the operator's private networks (PRIVATE_ORIGINS).
"""

import asyncio
import re
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

from products.addresses import Address, denied_reason
from products.lookup import AddressDenied, Unresolvable, resolve
from products.protocol import is_plain_url
from products.webhooks.messages import Message

# From the look-up of the name to the first line of the response.
SECONDS: Final = 10.0
PORTS: Final = {"https": 443, "http": 80}
USER_AGENT: Final = "Tollgate-Webhooks/1"
_STATUS = re.compile(rb"HTTP/1\.[01] ([2-9][0-9]{2})[ \r]")


class InvalidUrl(ValueError):
    """A webhook cannot have this URL."""


@dataclass(frozen=True, slots=True)
class Request:
    """One message to one URL."""

    url: str
    message: Message
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a request: the status of the response, or a class of problem."""

    status: int | None
    problem: str
    duration_ms: int


def checked_url(url: str) -> SplitResult:
    """Return the parts of a URL. Raises InvalidUrl with a sentence."""
    try:
        parts = urlsplit(url)
        known = parts.scheme in PORTS and parts.port != 0
    except ValueError:
        parts, known = urlsplit(""), False
    if not known or not parts.hostname or not is_plain_url(url):
        raise InvalidUrl("Enter a URL such as https://example.com/hooks.")
    if parts.username is not None or parts.fragment:
        raise InvalidUrl("Enter a URL without a user name and without #.")
    return parts


def send_all(requests: Sequence[Request]) -> list[Result]:
    """Send messages at the same time; return their results in order, after at most 10 seconds."""
    return asyncio.run(_send_all(requests))


async def _send_all(requests: Sequence[Request]) -> list[Result]:
    return await asyncio.gather(*(_send(each) for each in requests))


async def _send(request: Request) -> Result:
    started = time.monotonic()
    status, problem = None, ""
    try:
        async with asyncio.timeout(SECONDS):
            status = await _post(request)
        if status >= 300:  # noqa: PLR2004 - redirects are not followed
            problem = f"The server responded with {status}."
    except TimeoutError:
        problem = f"The server did not respond within {SECONDS:.0f} seconds."
    except (InvalidUrl, AddressDenied):
        problem = "The URL leads to an address that is not allowed."
    except Unresolvable:
        problem = "The host name has no address."
    except ssl.SSLError:
        problem = "The server's certificate is not valid."
    except OSError:
        problem = "The server could not be reached."
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        problem = "The server did not respond in HTTP."
    return Result(status, problem, round((time.monotonic() - started) * 1000))


async def _post(request: Request) -> int:
    parts = checked_url(request.url)
    host, port = str(parts.hostname), parts.port or PORTS[parts.scheme]
    addresses = await asyncio.to_thread(resolve, host, port, settings.PRIVATE_ORIGINS)
    tls = _tls() if parts.scheme == "https" else None
    if tls is None and not all(map(_is_private, addresses)):
        raise InvalidUrl("Use https.")
    reader, writer = await asyncio.open_connection(
        str(addresses[0]), port, ssl=tls, server_hostname=host if tls else None
    )
    try:
        writer.write(_head(parts, request) + request.message.body)
        await writer.drain()
        line = await reader.readuntil(b"\n")
    finally:
        writer.transport.abort()
    status = _STATUS.match(line)
    if status is None:
        raise asyncio.IncompleteReadError(line[:40], None)
    return int(status[1])


def _is_private(address: Address) -> bool:
    """Return whether only the operator's setting allows an address."""
    return denied_reason(address) is not None


def _tls() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=settings.ORIGIN_CA_FILE or None)


def _head(parts: SplitResult, request: Request) -> bytes:
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    fields = {
        "Host": parts.netloc,
        "User-Agent": USER_AGENT,
        "Content-Type": "application/json",
        "Content-Length": str(len(request.message.body)),
        "Connection": "close",
        **request.headers,
    }
    lines = [f"POST {target} HTTP/1.1", *(f"{k}: {v}" for k, v in fields.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")
