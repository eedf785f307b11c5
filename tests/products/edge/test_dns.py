"""Names are looked up in threads, and kept for a short time."""

import asyncio
import gc
import subprocess
import sys
import threading
from ipaddress import ip_address

import pytest

from products.edge import dns
from products.edge.dns import CachingResolver
from products.lookup import Unresolvable
from tests.products.edge.fake_portal import eventually
from tests.products.edge.running import ROOT

HERE = (ip_address("8.8.8.8"),)


class NameServer:
    """Answers, is silent until freed, or knows nothing; counts what it is asked."""

    def __init__(self):
        self.answer = HERE
        self.asked = []
        self.free = threading.Event()
        self.free.set()

    def __call__(self, host, port):
        self.asked.append(host)
        assert self.free.wait(30)
        return [(0, 0, 0, "", (str(address), port)) for address in self.answer]


@pytest.fixture
def server():
    one = NameServer()
    yield one
    one.free.set()


@pytest.fixture
def names(server):
    return CachingResolver((), timeout_seconds=30, look_up=server)


async def test_a_name_is_asked_for_once_in_a_while(server, names):
    asking = [names.addresses("a.test", 80, owner="acme") for _ in range(9)]

    assert await asyncio.gather(*asking) == [HERE] * 9
    assert server.asked == ["a.test"]


async def test_silent_name_servers_keep_nothing_else_waiting(server, names):
    server.free.clear()
    silent = [
        asyncio.ensure_future(names.addresses(f"{n}.test", 80, owner=f"account {n}"))
        for n in range(60)
    ]
    await asyncio.sleep(0)

    # Other threads read tables and make usage durable.
    assert await asyncio.wait_for(asyncio.to_thread(lambda: "done"), 5) == "done"

    server.free.set()
    assert await asyncio.gather(*silent) == [HERE] * 60


async def test_names_of_one_account_do_not_delay_those_of_another(server, names):
    server.free.clear()
    silent = [
        asyncio.ensure_future(names.addresses(f"{n}.test", 80, owner="acme"))
        for n in range(8)
    ]
    await asyncio.sleep(0)

    ninth = asyncio.ensure_future(names.addresses("ninth.test", 80, owner="acme"))
    other = asyncio.ensure_future(names.addresses("b.test", 80, owner="other"))
    await asyncio.to_thread(eventually, lambda: "b.test" in server.asked)
    assert "ninth.test" not in server.asked

    server.free.set()
    assert await asyncio.gather(*silent, ninth, other) == [HERE] * 10


async def test_names_that_failed_do_not_delay_other_names_of_their_owner(
    server, names, monkeypatch
):
    monkeypatch.setattr(dns, "_FRESH_SECONDS", 0)
    failing = [f"{n}.test" for n in range(8)]
    server.answer = ()
    for name in failing:
        with pytest.raises(Unresolvable):
            await names.addresses(name, 80, owner="acme")
    server.free.clear()

    again = [
        asyncio.ensure_future(names.addresses(name, 80, owner="acme"))
        for name in failing
    ]
    await asyncio.to_thread(eventually, lambda: len(server.asked) == 16)
    new = asyncio.ensure_future(names.addresses("new.test", 80, owner="acme"))
    await asyncio.to_thread(eventually, lambda: "new.test" in server.asked)

    server.answer = HERE
    server.free.set()
    assert await asyncio.gather(*again, new) == [HERE] * 9


async def test_known_addresses_are_used_while_name_servers_do_not_answer(
    server, names, monkeypatch
):
    monkeypatch.setattr(dns, "_FRESH_SECONDS", 0)
    assert await names.addresses("a.test", 80, owner="acme") == HERE
    server.answer = ()

    assert await names.addresses("a.test", 80, owner="acme") == HERE

    assert server.asked == ["a.test"] * 2
    monkeypatch.setattr(dns, "_STALE_SECONDS", 0)
    server.answer = HERE
    assert await names.addresses("a.test", 80, owner="acme") == HERE
    server.answer = ()
    with pytest.raises(Unresolvable):
        await names.addresses("a.test", 80, owner="acme")


async def test_a_name_without_an_address_is_not_looked_up_per_request(server, names):
    server.answer = ()

    for _ in range(5):
        with pytest.raises(Unresolvable):
            await names.addresses("a.test", 80, owner="acme")

    assert server.asked == ["a.test"]


async def test_an_answer_to_a_cancelled_look_up_logs_no_error(server, names, caplog):
    server.free.clear()
    server.answer = ()
    waiting = asyncio.ensure_future(names.addresses("a.test", 80, owner="acme"))
    await asyncio.sleep(0)
    asked = names.names["a.test", 80].task
    waiting.cancel()
    server.free.set()

    with pytest.raises(asyncio.CancelledError):
        await waiting
    await asyncio.wait([asked])
    names.names.clear()
    del asked
    gc.collect()

    assert caplog.records == []


HANGING = """
import asyncio, threading, time
from products.edge.dns import CachingResolver

asked = threading.Event()

def look_up(host, port):
    asked.set()
    time.sleep(3600)

async def main():
    names = CachingResolver([], look_up=look_up, timeout_seconds=3600)
    found = asyncio.ensure_future(names.addresses("slow.example", 1, owner="a"))
    await asyncio.to_thread(asked.wait)

asyncio.run(main())
"""


def test_a_process_does_not_wait_for_a_name_server_when_it_exits():
    subprocess.run([sys.executable, "-c", HANGING], cwd=ROOT, check=True, timeout=60)
