"""Finds the place where reading can be paused without losing what was read already."""

import asyncio
import gc


def underlying_transport(transport: asyncio.Transport) -> asyncio.Transport:
    """Give the transport to pause for one that speaks TLS: the one below it.

    A paused TLS transport goes on reading the socket, and when the peer then closes,
    uvloop (0.23, sslproto.pyx: eof_received) closes too and drops what it had read but
    not passed on. Pausing below TLS leaves those bytes and the end in the kernel.
    """
    layer = getattr(transport, "_ssl_protocol", None)  # asyncio's own says it
    below = getattr(layer, "_transport", None) or _below(transport)
    return below or transport


def _below(transport: asyncio.Transport) -> asyncio.Transport | None:
    # uvloop's says it nowhere; the collector knows what an object refers to.
    for layer in gc.get_referents(transport):
        if type(layer).__name__ != "SSLProtocol":
            continue
        for below in gc.get_referents(layer):
            if type(below).__name__ == "TCPTransport":
                found: asyncio.Transport = below
                return found
    return None
