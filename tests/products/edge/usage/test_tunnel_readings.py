"""Readings of a tunnel: whatever becomes of its two sides, a later one is never smaller."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from products.edge.proxy.handler import RequestHandler
from products.edge.proxy.stream import BufferedStream
from products.edge.proxy.tunnel import Tunnel
from products.edge.settings import Limits
from products.edge.usage.meter import UsageMeter
from tests.products.edge.fake_portal import route
from tests.products.edge.usage.test_meter import Store, begin

HIGH, LOW = 64_000, 16_000
ANSWER = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"


class Transport:
    """One side's connection, as far as a tunnel knows it: what it writes waits here."""

    def __init__(self, *, overhead):
        self.overhead = overhead  # bytes that encrypting adds to a write
        self.waiting = 0
        self.protocol = None
        self.is_full = self.is_gone = False

    def get_extra_info(self, name):
        return None

    def get_write_buffer_size(self):
        return self.waiting

    def set_protocol(self, protocol):
        self.protocol = protocol

    def is_closing(self):
        return self.is_gone

    def write(self, data):
        self.waiting += len(data) + self.overhead
        if self.waiting > HIGH and not self.is_full:
            self.is_full = True
            self.protocol.pause_writing()

    def take(self, count):
        """Let the peer take some of what waits."""
        self.waiting = max(0, self.waiting - count)
        if self.waiting <= LOW and self.is_full:
            self.is_full = False
            self.protocol.resume_writing()

    def hear(self, count):
        """Let the peer send, where it still can."""
        if not self.is_gone:
            self.protocol.data_received(b"x" * count)

    def lose(self, _count=0):
        """Let the peer go; what waits is forgotten."""
        if not self.is_gone:
            self.is_gone, self.is_full, self.waiting = True, False, 0
            self.protocol.connection_lost(None)

    def can_write_eof(self):
        return True

    def write_eof(self):
        pass

    pause_reading = resume_reading = close = write_eof
    abort = lose


def tunnel_on(store, *, overhead=0):
    """Open a tunnel; gives its meter, and both its sides."""
    meter = UsageMeter(store)
    service = route("a.test")
    entry = begin(meter, service, 100, len(ANSWER))
    sides = Transport(overhead=overhead), Transport(overhead=overhead)
    streams = BufferedStream(1000), BufferedStream(1000)
    for stream, side in zip(streams, sides, strict=True):
        stream.connection_made(side)
        side.protocol = stream
    tunnel = Tunnel(service, Limits(), entry.number, lambda one: meter.end(one.number))
    entry.tunnel = tunnel
    tunnel.start(*streams, 100, ANSWER)
    return meter, *sides


EVENTS = some.tuples(
    some.sampled_from(["hear", "hear", "hear", "take", "take", "lose"]),
    some.integers(0, 1),
    some.integers(1, 100_000),
)


@given(events=some.lists(EVENTS, max_size=12), overhead=some.sampled_from([0, 29]))
def test_no_later_reading_of_a_tunnel_is_smaller(events, overhead):
    store = Store()
    meter, *sides = tunnel_on(store, overhead=overhead)

    for name, side, count in events:
        getattr(sides[side], name)(count)
        meter.tick()
    for side in sides:
        side.lose()
    meter.flush()

    read = [
        (one.duration_us, one.bytes_from_client, one.bytes_to_client)
        for one in store.readings
    ]
    for counter in zip(*read, strict=True):
        assert list(counter) == sorted(counter)
    assert [one.final for one in store.readings].index(True) == len(read) - 1


def test_what_a_client_took_before_it_went_is_in_the_last_reading():
    store = Store()
    meter, client, origin = tunnel_on(store)
    origin.hear(100_000)
    client.take(50_000)
    meter.tick()

    client.lose()
    origin.lose()
    meter.flush()

    assert [one.bytes_to_client for one in store.readings] == [
        len(ANSWER),
        50_000,
        50_000,
    ]


def test_the_last_reading_is_written_before_the_edge_closes_a_tunnel():
    store = Store()
    meter, client, _ = tunnel_on(store)
    (counted,) = meter.open.values()
    limits = Limits(tunnels_per_account=1, tunnels_per_service=1)
    handler = RequestHandler(limits, None, meter, None)
    handler._limiter.take(route("a.test"))
    counted.tunnel._on_end = handler._on_tunnel_end
    written = []
    client.abort = lambda: written.append(store.readings[-1].final)

    (tunnel,) = handler.tunnels
    tunnel.close_now()

    assert written == [True]
    assert handler.tunnels == []


@pytest.mark.parametrize("overhead", [0, 29])
def test_a_client_that_went_is_charged_for_nothing_that_waited(overhead):
    store = Store()
    meter, client, origin = tunnel_on(store, overhead=overhead)
    origin.hear(100_000)

    client.lose()
    origin.lose()
    meter.flush()

    assert store.readings[-1].bytes_to_client == len(ANSWER)
