"""Which network addresses the edge and the origin probe may connect to.

`ipaddress.is_global` alone is not enough: on Python 3.11 it calls addresses global
that lead to the machine itself (`64:ff9b::7f00:1`, `2002:7f00:1::`, `::7f00:1`).
Sources: IANA special-purpose address registries (RFC 6890); RFC 4291, 6052, 3056,
4380, 5214 and 7915 for IPv4 carried inside IPv6.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

_DENIED_V4 = tuple(
    (IPv4Network(network), reason)
    for network, reason in (
        ("0.0.0.0/32", "unspecified"),
        ("0.0.0.0/8", "reserved"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "private"),  # carrier-grade NAT; some clouds' metadata
        ("127.0.0.0/8", "loopback"),
        ("168.63.129.16/32", "metadata"),  # Azure's host agent, on a public address
        ("169.254.0.0/16", "link-local"),  # most clouds' metadata
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "reserved"),
        ("192.0.2.0/24", "documentation"),
        ("192.31.196.0/24", "reserved"),
        ("192.52.193.0/24", "reserved"),
        ("192.88.99.0/24", "reserved"),
        ("192.168.0.0/16", "private"),
        ("192.175.48.0/24", "reserved"),
        ("198.18.0.0/15", "reserved"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("255.255.255.255/32", "broadcast"),
        ("240.0.0.0/4", "reserved"),
    )
)
# The deprecated ways of carrying IPv4 are refused whatever they carry: no customer's
# server is reached that way, and what they carry is the tunnel's choice.
_DENIED_V6 = tuple(
    (IPv6Network(network), reason)
    for network, reason in (
        ("::/128", "unspecified"),
        ("::1/128", "loopback"),
        ("::/96", "embedded"),  # IPv4-compatible
        ("::ffff:0:0:0/96", "embedded"),  # IPv4-translated
        ("64:ff9b:1::/48", "embedded"),  # NAT64 for local use
        ("2001::/32", "embedded"),  # Teredo
        ("2002::/16", "embedded"),  # 6to4
        ("100::/64", "reserved"),
        ("2001::/23", "reserved"),
        ("2001:db8::/32", "documentation"),
        ("2620:4f:8000::/48", "reserved"),
        ("3fff::/20", "documentation"),
        ("fc00::/7", "private"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "private"),  # the old site-local addresses
        ("ff00::/8", "multicast"),
    )
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
    if isinstance(ip, IPv4Address):
        return _refusal_v4(ip)
    return _refusal_v6(ip)


def _refusal_v4(ip: IPv4Address) -> str | None:
    for network, reason in _DENIED_V4:
        if ip in network:
            return reason
    return None if ip.is_global else "reserved"


def _refusal_v6(ip: IPv6Address) -> str | None:
    for network, reason in _DENIED_V6:
        if ip in network:
            return reason
    if _carries_a_refused_v4(ip):
        return "embedded"
    if ip in _NAT64:
        return None
    return None if ip in _GLOBAL_UNICAST and ip.is_global else "reserved"


def _carries_a_refused_v4(ip: IPv6Address) -> bool:
    identifier = (int(ip) >> 32) & _LOW_32_BITS
    if ip not in _NAT64 and identifier not in _ISATAP:
        return False
    return _refusal_v4(IPv4Address(int(ip) & _LOW_32_BITS)) is not None
