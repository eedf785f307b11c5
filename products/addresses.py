"""Which network addresses may be connected to where a customer or their DNS names them.

`ipaddress.is_global` alone is not enough: on Python 3.11 it calls addresses global
that lead to the machine itself (`64:ff9b::7f00:1`, `2002:7f00:1::`, `::7f00:1`).
Sources: IANA special-purpose address registries (RFC 6890); RFC 4291, 6052, 3056,
4380, 5214 and 7915 for IPv4 carried inside IPv6.
"""

from collections.abc import Iterable
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_network,
)
from typing import TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

# The first that contains an address says why it is denied.
_DENIED = tuple(
    (ip_network(network), reason)
    for reason, networks in (
        ("unspecified", ("0.0.0.0/32", "::/128")),
        ("loopback", ("127.0.0.0/8", "::1/128")),
        ("link-local", ("169.254.0.0/16", "fe80::/10")),  # most clouds' metadata
        ("metadata", ("168.63.129.16/32",)),  # Azure's host agent, on a public address
        ("private", ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")),
        ("private", ("100.64.0.0/10",)),  # carrier-grade NAT; some clouds' metadata
        ("private", ("fec0::/10",)),  # the old site-local addresses
        ("multicast", ("224.0.0.0/4", "ff00::/8")),
        ("broadcast", ("255.255.255.255/32",)),
        ("documentation", ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")),
        ("documentation", ("2001:db8::/32", "3fff::/20")),
        # The deprecated ways of carrying IPv4 are refused whatever they carry: no customer's
        # server is reached that way, and what they carry is the tunnel's choice.
        ("embedded", ("::/96", "::ffff:0:0:0/96")),  # IPv4-compatible, IPv4-translated
        ("embedded", ("64:ff9b:1::/48",)),  # NAT64 for local use
        ("embedded", ("2001::/32", "2002::/16")),  # Teredo, 6to4
        ("reserved", ("0.0.0.0/8", "192.0.0.0/24", "192.31.196.0/24")),
        ("reserved", ("192.52.193.0/24", "192.88.99.0/24", "192.175.48.0/24")),
        ("reserved", ("198.18.0.0/15", "240.0.0.0/4")),
        ("reserved", ("100::/64", "2001::/23", "2620:4f:8000::/48")),
    )
    for network in networks
)
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")
_LOW_32_BITS = 0xFFFF_FFFF
# An interface identifier of ISATAP, with and without the universal bit.
_ISATAP = frozenset({0x0000_5EFE, 0x0200_5EFE})
# These name no single host, so no operator can mean them as an origin.
_NEVER_ALLOWED = frozenset({"unspecified", "multicast", "broadcast"})


def denied_reason(ip: Address, allowed_private: Iterable[Network] = ()) -> str | None:
    """Return why an address must not be connected to, or None if it may be.

    The result is a class of reason: unspecified, loopback, private, link-local,
    metadata, embedded, documentation, multicast, broadcast or reserved.
    `allowed_private` is the operator's list, a setting of the installation and never of
    an account. It does not apply to IPv4 addresses inside IPv6 ones: an IPv6 address is
    allowed by an IPv6 network only. A mapped address counts as its IPv4 address.
    """
    plain = _without_mapping(ip)
    reason = _refusal(plain)
    if reason is None or reason in _NEVER_ALLOWED:
        return reason
    if any(plain in network for network in allowed_private):
        return None
    return reason


def _without_mapping(ip: Address) -> Address:
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
        return ip.ipv4_mapped
    return ip


def _refusal(ip: Address) -> str | None:
    for network, reason in _DENIED:
        if ip in network:
            return reason
    if isinstance(ip, IPv4Address):
        return None if ip.is_global else "reserved"
    if _carries_a_refused_v4(ip):
        return "embedded"
    is_public = ip in _NAT64 or (ip in _GLOBAL_UNICAST and ip.is_global)
    return None if is_public else "reserved"


def _carries_a_refused_v4(ip: IPv6Address) -> bool:
    identifier = (int(ip) >> 32) & _LOW_32_BITS
    if ip not in _NAT64 and identifier not in _ISATAP:
        return False
    return _refusal(IPv4Address(int(ip) & _LOW_32_BITS)) is not None
