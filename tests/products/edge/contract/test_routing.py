"""Both engines: which service a host has, and which upgrades it allows (R1, R12)."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from tests.products.edge.contract.speaking import (
    CLOSE_ENOUGH_BYTES,
    echoes,
    final_record,
    opened,
    service_of,
    values,
)
from tests.products.edge.fake_portal import eventually
from tests.products.edge.running import get, handshake, read_all, status_of
from tests.products.edge.scripted import answering, plain_answer, switching


def test_a_host_leads_to_its_own_service(stand):
    _, first = stand.serve()
    other, second = stand.serve()

    with opened(stand, other)[0] as connection:
        assert echoes(connection, b"hello")

    assert (len(first.heads), len(second.heads)) == (0, 1)
    assert values(second, "host") == [other]


def test_an_unknown_host_gets_404_and_a_sentence(stand):
    answer = stand.edge.ask(handshake("unknown.test"))

    assert status_of(answer) == 404
    assert answer.endswith(
        b"\r\n\r\nNo service is configured for the host unknown.test.\n"
    )


@pytest.mark.parametrize(
    "spelling",
    ["{}:8080", "{}.", "UPPER"],
    ids=["with a port", "with a dot", "upper case"],
)
def test_a_host_is_found_however_it_is_spelt(stand, spelling):
    host, _ = stand.serve()
    asked = host.upper() if spelling == "UPPER" else spelling.format(host)

    connection, _ = opened(stand, asked)

    with connection:
        assert echoes(connection, b"x")


def test_a_wildcard_serves_all_names_below_it_and_the_nearest_wins(stand):
    _, far = stand.serve(host="*.wild.test", hosts=("*.wild.test",), service="far")
    _, near = stand.serve(
        host="*.near.wild.test", hosts=("*.near.wild.test",), service="near"
    )

    for host in ("a.wild.test", "a.b.near.wild.test"):
        opened(stand, host)[0].close()

    assert (len(far.heads), len(near.heads)) == (1, 1)
    assert status_of(stand.edge.ask(handshake("wild.test"))) == 404


def test_ordinary_http_passes_whether_websockets_are_on_or_not(stand):
    host, there = stand.serve(
        answering(plain_answer(b"as usual")), websockets=False, refusal="Off."
    )

    answer = stand.edge.ask(get(host, target="/path?query=1"))

    assert status_of(answer) == 200
    assert answer.endswith(b"\r\n\r\nas usual")
    assert there.heads[0].startswith(b"GET /path?query=1 HTTP/1.1\r\n")


def test_ordinary_http_is_counted_as_delivery(stand):
    host, _ = stand.serve(answering(plain_answer(b"x" * 5000)))
    request = get(host)

    for _ in range(3):
        stand.edge.ask(request)

    eventually(lambda: stand.portal.delivered(service_of(host))[0] == 3)
    _, sent, received = stand.portal.delivered(service_of(host))
    assert abs(sent - 3 * len(request)) <= CLOSE_ENOUGH_BYTES
    assert 15_000 <= received <= 15_000 + 3 * 200


def test_a_service_without_websockets_refuses_with_its_sentence_and_asks_no_origin(
    stand,
):
    sentence = 'WebSockets are “off” here: {ask} <Sam>, 100% & "soon" \\ $HOME.'
    host, there = stand.serve(websockets=False, refusal=sentence)

    answer = stand.edge.ask(handshake(host))

    assert status_of(answer) == 403
    assert b"content-type: text/plain; charset=utf-8\r\n" in answer.lower()
    assert answer.partition(b"\r\n\r\n")[2] == f"{sentence}\n".encode()
    assert there.connections == 0


def test_a_switch_off_refuses_new_handshakes_and_keeps_open_tunnels(stand):
    host, _ = stand.serve()
    connection, _ = opened(stand, host)

    stand.change(host, websockets=False, refusal="Off now.", drain_mode="keep")

    with connection:
        assert status_of(stand.edge.ask(handshake(host))) == 403
        assert echoes(connection, b"still here")


def test_a_switch_off_takes_effect_within_five_seconds(stand):
    host, _ = stand.serve()
    assert status_of(stand.edge.ask(handshake(host, version="12"))) == 426
    stand.routes[host] = None
    routes = [route for route in stand.routes.values() if route is not None]
    began = time.monotonic()

    del stand.routes[host]
    stand.portal.publish(*routes)

    eventually(lambda: status_of(stand.edge.ask(handshake(host, version="12"))) == 404)
    assert time.monotonic() - began < 5


def test_only_the_tunnels_of_a_cut_service_end(stand):
    host, _ = stand.serve()
    other, _ = stand.serve()
    ending, _ = opened(stand, host)
    staying, _ = opened(stand, other)

    stand.change(host, websockets=False, refusal="Off.", drain_mode="cut")

    with ending, staying:
        assert read_all(ending) in (b"", b"<reset>")
        assert echoes(staying, b"not concerned")
    assert final_record(stand, host).final


def test_draining_tunnels_live_until_their_hour(stand):
    host, _ = stand.serve()
    connection, _ = opened(stand, host)
    soon = datetime.now(UTC) + timedelta(seconds=1.5)

    stand.change(
        host,
        websockets=False,
        refusal="Off.",
        drain_mode="drain",
        drain_until=soon.isoformat(),
    )

    with connection:
        assert echoes(connection, b"still here")
        assert read_all(connection) in (b"", b"<reset>")
        assert datetime.now(UTC) >= soon
    assert final_record(stand, host).duration_us > 0


def test_a_switch_off_while_the_origin_thinks_opens_no_tunnel(stand):
    def slow(connection, there):
        there.read_head(connection)
        eventually(lambda: there.may_answer)
        connection.sendall(switching(there.heads[-1]))
        connection.recv(1)

    host, there = stand.serve(slow)
    there.may_answer = False
    connection = stand.edge.connect()
    connection.sendall(handshake(host))
    eventually(lambda: there.heads)
    stand.change(host, websockets=False, refusal="Just gone.")

    there.may_answer = True

    with connection:
        assert status_of(read_all(connection)) == 403
