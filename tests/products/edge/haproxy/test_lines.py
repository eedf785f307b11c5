"""Each of HAProxy's lines arrives in two ways and is passed on once."""

import asyncio
import socket

import pytest

from products.edge.haproxy.lines import DATAGRAMS, STREAM, Lines

ONE = b'{"ev":"accept","id":"11111111-1111-1111-1111-111111111111","svc":"a"}'
OTHER = b'{"ev":"accept","id":"22222222-2222-2222-2222-222222222222","svc":"a"}'
END = b'{"ev":"end","id":"11111111-1111-1111-1111-111111111111","svc":"a"}'


class Receiver:
    """The lines that were passed on, by event and the connection id's first digit."""

    def __init__(self, folder):
        self.folder = folder
        self.taken = []
        self.lines = Lines(folder, self.take)

    def take(self, line):
        self.taken.append((line["ev"], line["id"][0]))

    async def until(self, count):
        async with asyncio.timeout(20):
            while len(self.taken) < count:  # noqa: ASYNC110 - there is no event
                await asyncio.sleep(0.005)


@pytest.fixture
async def receiver(tmp_path):
    # A data folder can have a long path; the path of a socket has at most 107 bytes.
    folder = tmp_path / ("deep" * 30)
    folder.mkdir()
    receiver = Receiver(folder)
    await receiver.lines.open()
    yield receiver
    receiver.lines.close()


def datagram(receiver, line, monkeypatch):
    monkeypatch.chdir(receiver.folder)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(line, DATAGRAMS)


async def stream(receiver, data, monkeypatch):
    monkeypatch.chdir(receiver.folder)
    _, writer = await asyncio.open_unix_connection(STREAM)
    writer.write(data)
    await writer.drain()
    writer.close()
    await writer.wait_closed()


def framed(line):
    return b"%d %s" % (len(line), line)


async def test_a_line_that_arrives_in_both_ways_is_passed_on_once(
    receiver, monkeypatch
):
    datagram(receiver, ONE + b"\n", monkeypatch)
    await receiver.until(1)

    await stream(receiver, framed(ONE) + framed(END) + framed(OTHER), monkeypatch)

    await receiver.until(3)
    assert receiver.taken == [("accept", "1"), ("end", "1"), ("accept", "2")]


async def test_messages_of_haproxy_itself_are_ignored(receiver, monkeypatch):
    datagram(
        receiver, b"Proxy edge stopped (cumulated conns: FE: 0, BE: 0).", monkeypatch
    )
    datagram(receiver, ONE, monkeypatch)

    await receiver.until(1)
    assert receiver.lines.unreadable == 0


@pytest.mark.parametrize("bad", [b'{"ev":', b"{}", b'{"ev":"accept","id":5}'])
async def test_an_invalid_line_is_counted_and_the_next_is_passed_on(
    receiver, bad, monkeypatch
):
    datagram(receiver, bad, monkeypatch)
    datagram(receiver, ONE, monkeypatch)

    await receiver.until(1)
    assert receiver.lines.unreadable == 1


@pytest.mark.parametrize(
    "bad", [b"x", b"0 ", b"99999999 x", b"5 abc", b"-1 x", b"9" * 70_000]
)
async def test_an_invalid_stream_is_closed_and_the_next_is_read(
    receiver, bad, monkeypatch
):
    await stream(receiver, bad, monkeypatch)

    await stream(receiver, framed(ONE), monkeypatch)

    await receiver.until(1)
    assert receiver.taken == [("accept", "1")]
