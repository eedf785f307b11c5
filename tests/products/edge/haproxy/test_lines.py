"""HAProxy's lines come by two ways and are taken once."""

import asyncio
import socket

import pytest

from products.edge.haproxy.lines import DATAGRAMS, STREAM, Lines

ONE = b'{"ev":"accept","id":"11111111-1111-1111-1111-111111111111","svc":"a"}'
OTHER = b'{"ev":"accept","id":"22222222-2222-2222-2222-222222222222","svc":"a"}'
END = b'{"ev":"end","id":"11111111-1111-1111-1111-111111111111","svc":"a"}'


class Desk:
    def __init__(self, folder):
        self.folder = folder
        self.taken = []
        self.lines = Lines(folder, self.take)

    def take(self, line):
        self.taken.append((line["ev"], line["id"][0]))

    async def until(self, count):
        async with asyncio.timeout(20):
            while len(self.taken) < count:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.005)


@pytest.fixture
async def desk(tmp_path):
    # As deep as a data folder may be: a socket's own path has 107 bytes at most.
    folder = tmp_path / ("deep" * 30)
    folder.mkdir()
    one = Desk(folder)
    await one.lines.open()
    yield one
    one.lines.close()


def datagram(desk, line, monkeypatch):
    monkeypatch.chdir(desk.folder)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(line, DATAGRAMS)


async def stream(desk, data, monkeypatch):
    monkeypatch.chdir(desk.folder)
    _, writer = await asyncio.open_unix_connection(STREAM)
    writer.write(data)
    await writer.drain()
    writer.close()
    await writer.wait_closed()


def framed(line):
    return b"%d %s" % (len(line), line)


async def test_a_line_that_comes_both_ways_is_taken_once(desk, monkeypatch):
    datagram(desk, ONE + b"\n", monkeypatch)
    await desk.until(1)

    await stream(desk, framed(ONE) + framed(END) + framed(OTHER), monkeypatch)

    await desk.until(3)
    assert desk.taken == [("accept", "1"), ("end", "1"), ("accept", "2")]


async def test_news_of_haproxy_itself_are_no_lines(desk, monkeypatch):
    datagram(desk, b"Proxy edge stopped (cumulated conns: FE: 0, BE: 0).", monkeypatch)
    datagram(desk, ONE, monkeypatch)

    await desk.until(1)
    assert desk.lines.unreadable == 0


@pytest.mark.parametrize("bad", [b'{"ev":', b"{}", b'{"ev":"accept","id":5}'])
async def test_a_line_that_cannot_be_read_is_counted_and_harms_no_other(
    desk, bad, monkeypatch
):
    datagram(desk, bad, monkeypatch)
    datagram(desk, ONE, monkeypatch)

    await desk.until(1)
    assert desk.lines.unreadable == 1


@pytest.mark.parametrize(
    "bad", [b"x", b"0 ", b"99999999 x", b"5 abc", b"-1 x", b"9" * 70_000]
)
async def test_a_broken_stream_is_given_up_and_the_next_is_read(desk, bad, monkeypatch):
    await stream(desk, bad, monkeypatch)

    await stream(desk, framed(ONE), monkeypatch)

    await desk.until(1)
    assert desk.taken == [("accept", "1")]
