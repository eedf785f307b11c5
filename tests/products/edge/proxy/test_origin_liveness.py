"""The connection to an origin: kept alive while it is silent, and never tried twice."""

from pathlib import Path

from products.edge.errors import EdgeError
from tests.products.edge.proxy.test_tunnel import open_tunnel
from tests.products.edge.running import get, handshake, status_of
from tests.products.edge.scripted import upgrade_then_echo

_KEEPALIVE = "02"  # Linux's number for a timer that asks whether a silent peer lives


def timers():
    """Give the running timer of each TCP socket by its own and its peer's port."""
    found = {}
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, here, there, _, _, timer, *_ = line.split()
        ports = tuple(int(end.rpartition(":")[2], 16) for end in (here, there))
        found[ports] = timer.partition(":")[0]
    return found


def test_silent_peers_are_probed_with_keepalives(shared_stand):
    host, there = shared_stand.serve(upgrade_then_echo)
    with open_tunnel(shared_stand.edge, host) as tunnel:
        client = tunnel.getsockname()[1]
        found = timers()

    assert found[shared_stand.edge.port, client] == _KEEPALIVE
    to_origin = [timer for (_, peer), timer in found.items() if peer == there.port]
    assert to_origin == [_KEEPALIVE]


def test_a_request_that_was_sent_is_never_sent_again(shared_stand):
    host, there = shared_stand.serve(lambda connection, own: own.read_head(connection))

    for number, request in enumerate((get(host), handshake(host)), start=1):
        answer = shared_stand.edge.ask(request)

        assert status_of(answer) == 502
        assert EdgeError.ORIGIN_CLOSED.sentence().encode() in answer
        assert there.connections == len(there.heads) == number
