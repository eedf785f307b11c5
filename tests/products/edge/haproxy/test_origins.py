"""Origins are looked up again and again, and only what was checked is handed on."""

import time
from ipaddress import ip_address, ip_network

import pytest

from products.edge import dns
from products.edge.dns import CachingResolver
from products.edge.errors import EdgeError
from products.edge.haproxy.origins import OriginResolver
from tests.products.edge.fake_portal import origin, route

ROUTE = route("a.test", origin(443, address="origin.example"))


class Names:
    """A resolver that says what it is told to."""

    def __init__(self, *answers):
        self.answers = list(answers)

    def look_up(self, host, port):
        answer = self.answers.pop(0)
        if not answer:
            raise OSError("no such name")
        return [(0, 0, 0, "", (address, port)) for address in answer]


def origins(names):
    allowed = [ip_network("10.0.0.0/8")]
    return OriginResolver(CachingResolver(allowed, look_up=names.look_up))


async def refresh(found, routes, *, again):
    found.look_up(routes, again=again)
    await found.wait(10)
    found.publish_results(routes)


async def test_a_public_address_may_be_dialled():
    found = origins(Names(["8.8.8.8"]))

    await refresh(found, [ROUTE], again=False)

    assert found.addresses == {"a-test": (ip_address("8.8.8.8"),)}
    assert found.reasons == {"a-test": ""}


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "::1"])
async def test_a_name_that_turns_to_a_private_address_is_dialled_no_more(address):
    found = origins(Names(["8.8.8.8"], ["8.8.8.8", address]))
    await refresh(found, [ROUTE], again=False)

    await refresh(found, [ROUTE], again=True)

    assert found.addresses == {"a-test": ()}
    assert "is not allowed" in found.reasons["a-test"]


async def test_what_is_known_is_looked_up_again_only_when_told_to():
    names = Names(["8.8.8.8"], ["9.9.9.9"])
    found = origins(names)

    for again in (False, False, True):
        await refresh(found, [ROUTE], again=again)

    assert names.answers == []
    assert found.addresses == {"a-test": (ip_address("9.9.9.9"),)}


async def test_answers_in_another_order_change_nothing():
    found = origins(Names(["9.9.9.9", "8.8.8.8"], ["9.9.9.9", "1.1.1.1", "8.8.8.8"]))
    await refresh(found, [ROUTE], again=False)

    await refresh(found, [ROUTE], again=True)

    assert [str(one) for one in found.addresses["a-test"]] == ["8.8.8.8", "9.9.9.9"]


async def test_addresses_are_used_on_while_look_ups_fail(monkeypatch):
    names = Names(["8.8.8.8"], [], [])
    found = origins(names)
    await refresh(found, [ROUTE], again=False)

    await refresh(found, [ROUTE], again=True)
    after_a_while = dict(found.addresses)
    monkeypatch.setattr(dns, "monotonic", lambda: time.monotonic() + 300)
    await refresh(found, [ROUTE], again=True)

    assert after_a_while == {"a-test": (ip_address("8.8.8.8"),)}
    assert found.addresses == {"a-test": ()}
    assert found.reasons == {"a-test": EdgeError.ORIGIN_NOT_RESOLVED.sentence()}


async def test_of_very_many_names_each_is_looked_up_again_in_its_turn():
    asked = []

    def look_up(host, port):
        asked.append(host)
        return [(0, 0, 0, "", ("8.8.8.8", port))]

    routes = [
        route(f"{n}.test", origin(1, address=f"{n}.example")) for n in range(1500)
    ]
    found = OriginResolver(CachingResolver([], look_up=look_up))
    await refresh(found, routes, again=False)
    asked.clear()

    await refresh(found, routes, again=True)
    first = set(asked)
    await refresh(found, routes, again=True)

    assert len(first) == 1000
    assert len(asked) == 2000
    assert len(set(asked)) == 1500


async def test_an_address_that_is_no_name_is_looked_up_once():
    names = Names(["8.8.8.8"])
    found = origins(names)
    there = route("a.test", origin(1, address="8.8.8.8"))

    for again in (False, True):
        await refresh(found, [there], again=again)

    assert names.answers == []
    assert found.reasons == {"a-test": ""}


async def test_an_origin_whose_name_cannot_be_checked_is_not_looked_up():
    bad = route("a.test", origin(443, use_tls=True, override_host="a b"))
    found = origins(Names())

    await refresh(found, [bad], again=True)

    assert found.reasons == {"a-test": EdgeError.ORIGIN_NAME.sentence()}
