"""Addresses of origins: one look-up, all addresses checked, the next one tried."""

from ipaddress import ip_address, ip_network

import pytest

from products.addresses import denied_reason
from products.edge.dns import CachingResolver
from products.edge.errors import EdgeError, ErrorResponse
from products.edge.proxy.origin import OriginConnector
from products.edge.settings import Limits
from products.edge.tls import origin_tls
from tests.products.edge.fake_portal import origin
from tests.products.edge.scripted import (
    Origin,
    upgrade_then_echo,
)

LOOPBACK = (ip_network("127.0.0.0/8"),)


def answers(*addresses):
    """Return a look-up that always has these addresses."""
    return lambda host, port: [(0, 0, 0, "", (one, port)) for one in addresses]


def connector_with(look_up, *, allowed=LOOPBACK):
    resolver = CachingResolver(allowed, look_up=look_up)
    return OriginConnector(Limits(), origin_tls(), resolver)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.0.0.1", "169.254.169.254", "192.168.1.1", "::1", "fd00::1", "0.0.0.0",
     "localhost", "127.1", "2130706433", "0x7f000001", "[::1]"],
)  # fmt: skip
async def test_a_denied_address_is_never_connected_to(address):
    there = Origin(upgrade_then_echo)
    connector = OriginConnector(Limits(), origin_tls(), CachingResolver(()))

    with pytest.raises(ErrorResponse) as refused:
        await connector.connect(origin(there.port, address=address), account="acme")

    assert refused.value.error.status == 502
    assert there.connections == 0
    there.close()


async def test_the_name_is_looked_up_once_and_the_checked_address_is_used():
    """A name server that answers something else the second time changes nothing."""
    there = Origin(upgrade_then_echo)
    asked = []

    def rebinding(host, port):
        asked.append(host)
        return answers("127.0.0.1" if len(asked) == 1 else "10.0.0.1")(host, port)

    connector = connector_with(rebinding)

    stream = await connector.connect(
        origin(there.port, address="rebinding.test"), account="acme"
    )

    assert asked == ["rebinding.test"]
    assert stream.transport.get_extra_info("peername")[0] == "127.0.0.1"
    stream.transport.abort()
    there.close()


async def test_one_denied_address_denies_the_name(caplog):
    connector = connector_with(answers("93.184.216.34", "127.0.0.1"), allowed=())

    with pytest.raises(ErrorResponse) as refused:
        await connector.connect(origin(80, address="mixed.test"), account="acme")

    assert refused.value.error is EdgeError.ORIGIN_DENIED
    assert "loopback" in caplog.text  # for the operator alone


async def test_the_next_address_is_tried_after_one_that_fails():
    there = Origin(upgrade_then_echo)
    closed = Origin(upgrade_then_echo)
    closed.close()
    connector = connector_with(answers("127.0.0.2", "127.0.0.1"))

    stream = await connector.connect(
        origin(there.port, address="two.test"), account="acme"
    )

    assert stream.transport.get_extra_info("peername")[0] == "127.0.0.1"
    stream.transport.abort()
    there.close()


def test_loopback_is_refused_unless_the_operator_allows_it():
    assert denied_reason(ip_address("127.0.0.1")) == "loopback"
    assert denied_reason(ip_address("127.0.0.1"), (ip_network("127.0.0.0/8"),)) is None
