"""Names: asked for off the loop, remembered for a while, and nobody in others' way."""

import asyncio
import gc
import threading
from ipaddress import ip_address

import pytest

from products.edge import lookup
from products.edge.lookup import CachingResolver
from products.edge.resolve import Unresolvable

HERE = (ip_address("192.0.2.1"),)


class NameServer:
    """Answers, is silent until freed, or knows nothing; counts what it is asked."""

    def __init__(self):
        self.answer = HERE
        self.asked = []
        self.free = threading.Event()
        self.free.set()

    def __call__(self, host, port, allowed, *, timeout_seconds):
        self.asked.append(host)
        assert self.free.wait(30)
        if not self.answer:
            raise Unresolvable(host)
        return self.answer


@pytest.fixture
def server(monkeypatch):
    one = NameServer()
    monkeypatch.setattr(lookup, "resolve", one)
    yield one
    one.free.set()


@pytest.fixture
def names():
    return CachingResolver((), timeout_seconds=5)


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

    # The threads that take tables and make usage lasting are others.
    assert await asyncio.wait_for(asyncio.to_thread(lambda: "done"), 5) == "done"

    server.free.set()
    assert await asyncio.gather(*silent) == [HERE] * 60


async def test_one_accounts_names_leave_room_for_anothers(server, names):
    server.free.clear()
    silent = [
        asyncio.ensure_future(names.addresses(f"{n}.test", 80, owner="acme"))
        for n in range(8)
    ]
    await asyncio.sleep(0)

    with pytest.raises(Unresolvable):
        await names.addresses("ninth.test", 80, owner="acme")

    other = asyncio.ensure_future(names.addresses("b.test", 80, owner="other"))
    server.free.set()
    assert await other == HERE
    await asyncio.gather(*silent)
    assert "ninth.test" not in server.asked


async def test_what_was_found_serves_on_while_nobody_answers(
    server, names, monkeypatch
):
    monkeypatch.setattr(lookup, "_FRESH_SECONDS", 0)
    assert await names.addresses("a.test", 80, owner="acme") == HERE
    server.answer = ()

    assert await names.addresses("a.test", 80, owner="acme") == HERE

    assert server.asked == ["a.test"] * 2
    monkeypatch.setattr(lookup, "_STALE_SECONDS", 0)
    server.answer = HERE
    assert await names.addresses("a.test", 80, owner="acme") == HERE
    server.answer = ()
    with pytest.raises(Unresolvable):
        await names.addresses("a.test", 80, owner="acme")


async def test_a_name_without_an_address_is_not_asked_for_at_every_request(
    server, names
):
    server.answer = ()

    for _ in range(5):
        with pytest.raises(Unresolvable):
            await names.addresses("a.test", 80, owner="acme")

    assert server.asked == ["a.test"]


async def test_an_answer_that_nobody_waits_for_any_more_is_no_fault(
    server, names, caplog
):
    server.free.clear()
    server.answer = ()
    waiting = asyncio.ensure_future(names.addresses("a.test", 80, owner="acme"))
    await asyncio.sleep(0)
    asked = names._known["a.test", 80].task
    waiting.cancel()
    server.free.set()

    with pytest.raises(asyncio.CancelledError):
        await waiting
    await asyncio.wait([asked])
    names._known.clear()
    del asked
    gc.collect()

    assert caplog.records == []
