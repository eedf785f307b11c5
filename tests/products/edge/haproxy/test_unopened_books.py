"""Usage that cannot be written down for lack of room: no upgrade, and another try."""

import asyncio
import os
import signal

import pytest

from products.edge.errors import EdgeError
from products.edge.haproxy.bookkeeping import MOST_EARLY, Bookkeeper
from tests.products.edge.contract.speaking import (
    final_record,
    opened,
    service_of,
)
from tests.products.edge.fake_portal import eventually
from tests.products.edge.running import handshake, read_until

UUID = "{:08x}-0000-4000-8000-000000000000"


def first_line(fleet, host):
    try:
        with fleet.edge.connect() as connection:
            connection.sendall(handshake(host))
            return read_until(connection, b"\r\n").rstrip()
    except (OSError, AssertionError):  # HAProxy is not there yet
        return b""


@pytest.mark.haproxy
def test_books_that_do_not_open_are_tried_again_and_nothing_upgrades_meanwhile(fleet):
    host, there = fleet.serve()
    opened(fleet, host)[0].close()
    final_record(fleet, host)
    boot = fleet.edge.data / "haproxy" / "boot.json"
    boot.unlink()
    boot.mkdir()  # nothing can take the name of a folder
    for process in fleet.haproxies():
        os.kill(process, signal.SIGKILL)

    eventually(lambda: b" 503 " in first_line(fleet, host))
    carried = there.connections
    refused = fleet.edge.ask(handshake(host))
    assert eventually(lambda: not fleet.settled()["spool_is_writable"])
    boot.rmdir()

    assert EdgeError.USAGE_NOT_RECORDED.sentence().encode() in refused
    assert there.connections == carried
    eventually(lambda: first_line(fleet, host) == b"HTTP/1.1 101 Switching Protocols")
    eventually(lambda: len(fleet.portal.of_service(service_of(host))) == 2)


def bookkeeper(folder):
    return Bookkeeper(
        folder, folder / "spool", segment_bytes=1 << 20, route_of={}.get
    )  # fmt: skip


def accept_line(number):
    return {"ev": "accept", "id": UUID.format(number), "svc": "shop", "at": 1_000_000}


def test_lines_before_the_books_are_open_wait_for_them(tmp_path):
    keeper = bookkeeper(tmp_path)

    keeper.take(accept_line(1))
    asyncio.run(keeper.open("1@1"))

    assert len(keeper.books.meter.open) == 1
    assert keeper.dropped == 0


def test_lines_of_ordinary_http_take_no_place_from_those_that_wait(tmp_path):
    keeper = bookkeeper(tmp_path)

    for number in range(MOST_EARLY):
        keeper.take(accept_line(number) | {"ev": "request"})
        keeper.take(accept_line(number) | {"ev": "end", "kind": "web"})
    keeper.take(accept_line(7))
    asyncio.run(keeper.open("1@1"))

    assert len(keeper.books.meter.open) == 1
    assert keeper.dropped == 0


def test_so_many_lines_wait_and_no_more_and_what_is_dropped_is_counted(tmp_path):
    keeper = bookkeeper(tmp_path)

    for number in range(MOST_EARLY + 3):
        keeper.take(accept_line(number))
    asyncio.run(keeper.open("1@1"))

    assert len(keeper.books.meter.open) == MOST_EARLY
    assert keeper.dropped == 3


def test_a_master_is_only_known_once_its_books_are_open(tmp_path):
    keeper = bookkeeper(tmp_path)
    (tmp_path / "boot.json").mkdir()

    with pytest.raises(IsADirectoryError):
        asyncio.run(keeper.open("1@1"))

    assert not keeper.keeps("1@1")
    assert keeper.is_refused
    (tmp_path / "boot.json").rmdir()
    asyncio.run(keeper.open("1@1"))
    assert keeper.keeps("1@1")
    assert not keeper.is_refused
