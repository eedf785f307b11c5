"""Connects to origins: one look-up, every address checked, the certificate verified."""

import asyncio
import socket
import ssl
from collections.abc import Sequence

from products.addresses import Address
from products.edge.contract import Origin
from products.edge.dns import CachingResolver
from products.edge.errors import EdgeError, ErrorResponse
from products.edge.proxy.stream import BufferedStream
from products.edge.settings import Limits
from products.edge.startup import LIVENESS_OPTIONS
from products.lookup import AddressDenied, Unresolvable
from products.protocol import certificate_name


class OriginConnector:
    """Opens connections to origins, and refuses addresses that the edge must not reach."""

    def __init__(
        self, limits: Limits, tls: ssl.SSLContext, resolver: CachingResolver
    ) -> None:
        self._limits = limits
        self._tls = tls
        self._resolver = resolver

    async def connect(self, origin: Origin, *, account: str) -> BufferedStream:
        """Connect to an account's origin, TLS included. Raises ErrorResponse (502 or 504).

        The caller cancels it after the time allowed. A timer for each connection would cost
        a handshake more than parsing its head.
        """
        try:
            addresses = await self._resolver.addresses(
                origin.address, origin.port, owner=account
            )
            return await self._connect_to_any(origin, addresses)
        except AddressDenied as error:
            raise ErrorResponse(EdgeError.ORIGIN_DENIED) from error
        except Unresolvable as error:
            raise ErrorResponse(EdgeError.ORIGIN_NOT_RESOLVED) from error
        except TimeoutError as error:
            raise ErrorResponse(EdgeError.ORIGIN_TIMEOUT) from error
        except ssl.SSLCertVerificationError as error:
            raise ErrorResponse(
                EdgeError.ORIGIN_CERTIFICATE, reason=error.verify_message
            ) from error
        except ssl.SSLError as error:
            raise ErrorResponse(EdgeError.ORIGIN_TLS) from error
        except OSError as error:
            raise ErrorResponse(EdgeError.ORIGIN_UNREACHABLE) from error

    async def _connect_to_any(
        self, origin: Origin, addresses: Sequence[Address]
    ) -> BufferedStream:
        # Only connecting is tried again. A head is never sent twice.
        seconds = self._limits.connect_seconds / len(addresses)
        for address in addresses[:-1]:
            try:
                async with asyncio.timeout(seconds):
                    return await self._connect(origin, str(address))
            except ssl.SSLError:
                raise  # an origin that responds with a wrong certificate is no reason for the next
            except OSError:  # also TimeoutError, and networks that cannot be reached
                continue
        return await self._connect(origin, str(addresses[-1]))

    async def _connect(self, origin: Origin, address: str) -> BufferedStream:
        transport, stream = await asyncio.get_running_loop().create_connection(
            lambda: BufferedStream(self._limits.early_bytes),
            address,
            origin.port,
            ssl=self._tls if origin.use_tls else None,
            server_hostname=(
                certificate_name(origin.address, origin.override_host)
                if origin.use_tls
                else None
            ),
        )
        _keep_alive(transport.get_extra_info("socket").fileno(), address)
        tls = transport.get_extra_info("ssl_object")
        if tls and tls.selected_alpn_protocol() not in {None, "http/1.1"}:
            transport.close()
            raise ErrorResponse(EdgeError.ORIGIN_PROTOCOL)
        return stream


def _keep_alive(descriptor: int, address: str) -> None:
    # The loop's own socket object makes a new socket for every option that it sets.
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    connected = socket.SocketType(family, socket.SOCK_STREAM, 0, descriptor)
    try:
        for level, option, value in LIVENESS_OPTIONS:
            connected.setsockopt(level, option, value)
    finally:
        connected.detach()
