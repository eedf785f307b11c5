"""Every kind of address, and whether it may be dialled."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from products.addresses import denied_reason

TABLE = (
    # Public addresses, IPv4 and IPv6, also at the edges of what is refused.
    ("8.8.8.8", None),
    ("1.1.1.1", None),
    ("151.101.1.57", None),
    ("9.255.255.255", None),
    ("11.0.0.0", None),
    ("100.63.255.255", None),
    ("100.128.0.0", None),
    ("126.255.255.255", None),
    ("128.0.0.1", None),
    ("168.63.129.15", None),
    ("169.253.255.255", None),
    ("172.15.255.255", None),
    ("172.32.0.0", None),
    ("192.167.255.255", None),
    ("192.169.0.0", None),
    ("223.255.255.255", None),
    ("2606:4700:4700::1111", None),
    ("2a04:4e42::313", None),
    ("2001:4860:4860::8888", None),
    ("64:ff9b::808:808", None),
    ("::ffff:8.8.8.8", None),
    # The machine itself.
    ("127.0.0.1", "loopback"),
    ("127.1.2.3", "loopback"),
    ("127.255.255.255", "loopback"),
    ("0.0.0.0", "unspecified"),
    ("0.1.2.3", "reserved"),
    ("::1", "loopback"),
    ("::", "unspecified"),
    # The operator's own network.
    ("10.0.0.0", "private"),
    ("10.255.255.255", "private"),
    ("172.16.0.1", "private"),
    ("172.31.255.255", "private"),
    ("192.168.0.1", "private"),
    ("100.64.0.1", "private"),
    ("100.100.100.200", "private"),
    ("fc00::1", "private"),
    ("fd00:ec2::254", "private"),
    ("fec0::1", "private"),
    ("169.254.169.254", "link-local"),
    ("169.254.0.1", "link-local"),
    ("fe80::1", "link-local"),
    ("fe80::1%eth0", "link-local"),
    ("168.63.129.16", "metadata"),
    # IPv4 inside IPv6.
    ("::ffff:127.0.0.1", "loopback"),
    ("::ffff:10.1.2.3", "private"),
    ("::ffff:169.254.169.254", "link-local"),
    ("::ffff:0.0.0.0", "unspecified"),
    ("::7f00:1", "embedded"),
    ("::808:808", "embedded"),
    ("::ffff:0:7f00:1", "embedded"),
    ("64:ff9b::7f00:1", "embedded"),
    ("64:ff9b::a00:1", "embedded"),
    ("64:ff9b::a9fe:a9fe", "embedded"),
    ("64:ff9b::e000:1", "embedded"),
    ("64:ff9b:1::7f00:1", "embedded"),
    ("64:ff9b:1:7f00:0:100::", "embedded"),
    ("2002:7f00:1::", "embedded"),
    ("2002:a9fe:a9fe::1", "embedded"),
    ("2002:808:808::1", "embedded"),
    ("2001:0:7f00:1:0:0:80ff:fffe", "embedded"),
    ("2001:0:808:808:0:0:f7f7:f7f7", "embedded"),
    ("2606:4700::5efe:7f00:1", "embedded"),
    ("2606:4700::200:5efe:a00:1", "embedded"),
    ("2606:4700::5efe:808:808", None),
    # Addresses that no server has.
    ("224.0.0.1", "multicast"),
    ("239.255.255.250", "multicast"),
    ("ff02::1", "multicast"),
    ("ff0e::1", "multicast"),
    ("255.255.255.255", "broadcast"),
    ("240.0.0.1", "reserved"),
    ("192.0.0.8", "reserved"),
    ("192.0.0.192", "reserved"),
    ("192.88.99.1", "reserved"),
    ("192.31.196.1", "reserved"),
    ("192.52.193.1", "reserved"),
    ("192.175.48.1", "reserved"),
    ("198.18.0.1", "reserved"),
    ("198.19.255.255", "reserved"),
    ("192.0.2.1", "documentation"),
    ("198.51.100.1", "documentation"),
    ("203.0.113.1", "documentation"),
    ("2001:db8::1", "documentation"),
    ("3fff::1", "documentation"),
    ("100::1", "reserved"),
    ("2001:2::1", "reserved"),
    ("2001:10::1", "reserved"),
    ("2001:20::1", "reserved"),
    ("2620:4f:8000::1", "reserved"),
    ("4000::1", "reserved"),
    ("5f00::1", "reserved"),
    ("200::1", "reserved"),
)


@pytest.mark.parametrize(("address", "reason"), TABLE)
def test_an_address_is_dialled_or_refused_with_its_class(address, reason):
    assert denied_reason(ip_address(address)) == reason


def test_the_table_holds_at_least_sixty_different_addresses():
    assert len({address for address, _ in TABLE}) >= 60


@pytest.mark.parametrize(
    ("address", "network", "reason"),
    [
        ("127.0.0.1", "127.0.0.0/8", None),
        ("::ffff:127.0.0.1", "127.0.0.0/8", None),
        ("10.1.2.3", "10.1.0.0/16", None),
        ("10.2.2.3", "10.1.0.0/16", "private"),
        ("::1", "127.0.0.0/8", "loopback"),
        ("::1", "::1/128", None),
        ("fd00::7", "fd00::/8", None),
        # What a tunnel or translator carries is not what the operator allowed.
        ("64:ff9b::7f00:1", "127.0.0.0/8", "embedded"),
        ("2002:7f00:1::", "127.0.0.0/8", "embedded"),
        ("64:ff9b::a00:1", "64:ff9b::/96", None),
        # Not even a careless list allows what names no host.
        ("0.0.0.0", "0.0.0.0/0", "unspecified"),
        ("::", "::/0", "unspecified"),
        ("224.0.0.1", "0.0.0.0/0", "multicast"),
        ("255.255.255.255", "0.0.0.0/0", "broadcast"),
    ],
)
def test_the_operator_allows_exactly_the_networks_listed(address, network, reason):
    assert denied_reason(ip_address(address), [ip_network(network)]) == reason


@given(st.integers(0, 2**32 - 1))
def test_nothing_that_python_calls_private_is_dialled(number):
    ip = IPv4Address(number)

    assert denied_reason(ip) is not None or ip.is_global


@given(st.integers(0, 2**32 - 1))
def test_a_mapped_address_counts_as_its_ipv4_address(number):
    mapped = IPv6Address(0xFFFF_0000_0000 | number)

    assert denied_reason(mapped) == denied_reason(IPv4Address(number))


@given(st.integers(0, 2**32 - 1))
def test_a_translated_address_is_dialled_only_where_the_carried_one_is(number):
    translated = IPv6Address((0x64_FF9B << 96) | number)

    assert (denied_reason(translated) is None) == (
        denied_reason(IPv4Address(number)) is None
    )
