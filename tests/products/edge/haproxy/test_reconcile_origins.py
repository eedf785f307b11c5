"""Origins are looked up periodically, and only checked addresses are used."""

import asyncio
import time
from ipaddress import ip_address, ip_network

import pytest

from products.edge import dns
from products.edge.dns import CachingResolver
from products.edge.errors import EdgeError
from products.edge.haproxy import reconcile
from products.edge.haproxy.config import NO_ADDRESS
from products.edge.haproxy.reconcile import OriginResolver
from tests.products.edge.fake_portal import origin, route

ROUTE = route("a.test", origin(443, address="origin.example"))


class Names:
    """A resolver with scripted results."""

    def __init__(self, *answers):
        self.answers = list(answers)

    def look_up(self, host, port):
        answer = self.answers.pop(0)
        if not answer:
            raise OSError("no such name")
        return [(0, 0, 0, "", (address, port)) for address in answer]


def resolver_of(names):
    allowed = [ip_network("10.0.0.0/8")]
    return OriginResolver(CachingResolver(allowed, look_up=names.look_up))


async def refresh(found, routes, *, again):
    await found.update(routes, again=again)
    if names := found._resolver.names:
        await asyncio.wait([name.task for name in names.values()], timeout=10)
    await found.update(routes, again=False)


def addresses_of(found):
    """Return the addresses of the servers of the service, each once, in their order."""
    return [str(one) for one in dict.fromkeys(found.servers["a-test"])]


async def test_a_public_address_is_used():
    found = resolver_of(Names(["8.8.8.8"]))

    await refresh(found, [ROUTE], again=False)

    assert addresses_of(found) == ["8.8.8.8"]
    assert found.problems == {"a-test": ""}


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "::1"])
async def test_a_name_that_gets_a_private_address_is_no_longer_used(address):
    found = resolver_of(Names(["8.8.8.8"], ["8.8.8.8", address]))
    await refresh(found, [ROUTE], again=False)

    await refresh(found, [ROUTE], again=True)

    assert addresses_of(found) == [str(NO_ADDRESS)]
    assert "is not allowed" in found.problems["a-test"]


async def test_a_known_name_is_looked_up_again_only_on_request():
    names = Names(["8.8.8.8"], ["9.9.9.9"])
    found = resolver_of(names)

    for again in (False, False, True):
        await refresh(found, [ROUTE], again=again)

    assert names.answers == []
    assert addresses_of(found) == ["9.9.9.9"]


async def test_addresses_in_another_order_change_nothing():
    found = resolver_of(Names(["9.9.9.9", "8.8.8.8"], ["8.8.8.8", "9.9.9.9"]))
    await refresh(found, [ROUTE], again=False)

    await refresh(found, [ROUTE], again=True)

    assert addresses_of(found) == ["8.8.8.8", "9.9.9.9"]


async def test_a_name_that_has_fewer_addresses_again_keeps_its_servers():
    many = [f"8.8.8.{last}" for last in range(1, 5)]
    found = resolver_of(Names(many, ["8.8.8.1"]))
    await refresh(found, [ROUTE], again=False)

    await refresh(found, [ROUTE], again=True)

    assert found.servers == {"a-test": (ip_address("8.8.8.1"),) * 4}


async def test_addresses_are_used_for_a_time_while_look_ups_fail(monkeypatch):
    names = Names(["8.8.8.8"], [], [])
    found = resolver_of(names)
    await refresh(found, [ROUTE], again=False)

    await refresh(found, [ROUTE], again=True)
    after_a_while = addresses_of(found)
    monkeypatch.setattr(dns, "monotonic", lambda: time.monotonic() + 300)
    await refresh(found, [ROUTE], again=True)

    assert after_a_while == ["8.8.8.8"]
    assert addresses_of(found) == [str(NO_ADDRESS)]
    assert found.problems == {"a-test": EdgeError.ORIGIN_NOT_RESOLVED.sentence()}


async def test_very_many_names_are_looked_up_again_in_turn(monkeypatch):
    monkeypatch.setattr(reconcile, "_MAX_REFRESHED_NAMES", 100)
    looked_up = []

    def look_up(host, port):
        looked_up.append(host)
        return [(0, 0, 0, "", ("8.8.8.8", port))]

    routes = [route(f"{n}.test", origin(1, address=f"{n}.example")) for n in range(150)]
    found = OriginResolver(CachingResolver([], look_up=look_up))
    await refresh(found, routes, again=False)
    looked_up.clear()

    await refresh(found, routes, again=True)
    first = set(looked_up)
    await refresh(found, routes, again=True)

    assert len(first) == 100
    assert len(looked_up) == 200
    assert len(set(looked_up)) == 150


async def test_an_ip_address_is_looked_up_once():
    names = Names(["8.8.8.8"])
    found = resolver_of(names)
    there = route("a.test", origin(1, address="8.8.8.8"))

    for again in (False, True):
        await refresh(found, [there], again=again)

    assert names.answers == []
    assert found.problems == {"a-test": ""}


async def test_an_origin_with_an_invalid_name_is_not_looked_up():
    bad = route("a.test", origin(443, use_tls=True, override_host="a b"))
    found = resolver_of(Names())

    await refresh(found, [bad], again=True)

    assert found.problems == {"a-test": EdgeError.ORIGIN_NAME.sentence()}
