"""The agent comes and goes, HAProxy goes on: nothing lost, nothing counted twice."""

import os
import signal
import socket
import time
from pathlib import Path

import pytest

from products.edge.contract import HeaderRule
from tests.products.edge.contract.speaking import (
    echoes,
    final_record,
    log_lines,
    opened,
    service_of,
)
from tests.products.edge.fake_portal import eventually
from tests.products.edge.running import get, handshake, read_all, status_of
from tests.products.edge.scripted import answering, plain_answer, upgrade_then

pytestmark = pytest.mark.haproxy


def test_connections_go_on_without_the_agent_and_are_counted_whole_by_the_next(fleet):
    host, _ = fleet.serve()
    connection, _ = opened(fleet, host)
    (before,) = eventually(lambda: fleet.portal.of_service(service_of(host)))
    processes = fleet.haproxies()

    fleet.kill_agent()
    assert echoes(connection, b"x" * 50_000)
    fleet.new_agent()

    assert fleet.haproxies() == processes
    with connection:
        assert echoes(connection, b"y" * 1000)
    record = final_record(fleet, host)
    assert (record.id, record.started_at) == (before.id, before.started_at)
    assert record.duration_us > before.duration_us
    assert 51_000 <= record.bytes_from_client < 52_000
    assert len(fleet.portal.of_service(service_of(host))) == 1


def test_a_connection_of_the_time_without_an_agent_is_counted_by_the_next(fleet):
    host, _ = fleet.serve()
    opened(fleet, host)[0].close()
    final_record(fleet, host)
    eventually(lambda: log_lines(fleet, host))

    fleet.kill_agent()
    connection, _ = opened(fleet, host)
    assert echoes(connection, b"x" * 50_000)
    connection.close()
    began = time.monotonic()
    fleet.new_agent()

    def both():
        records = fleet.portal.of_service(service_of(host))
        return len(records) == 2 and all(record.final for record in records) and records

    records = eventually(both)
    assert max(record.bytes_from_client for record in records) >= 50_000
    assert (
        max(record.duration_us for record in records) / 1e6
        < 5 + time.monotonic() - began
    )
    # The ring kept the customer's line, too.
    eventually(lambda: len(log_lines(fleet, host)) == 2)


def test_ordinary_http_of_the_time_without_an_agent_is_counted_once(fleet):
    host, _ = fleet.serve(answering(plain_answer(b"x" * 1000)))
    fleet.edge.ask(get(host))
    eventually(lambda: fleet.portal.delivered(service_of(host))[0] == 1)

    fleet.kill_agent()
    fleet.edge.ask(get(host))
    fleet.edge.ask(get(host))
    fleet.new_agent()

    eventually(lambda: fleet.portal.delivered(service_of(host))[0] == 3)
    fleet.edge.ask(get(host))
    eventually(lambda: fleet.portal.delivered(service_of(host))[0] == 4)
    assert 4000 <= fleet.portal.delivered(service_of(host))[2] <= 4000 + 4 * 200


def test_a_service_switched_off_while_the_agent_was_away_is_cut_when_it_is_back(fleet):
    host, _ = fleet.serve()
    connection, _ = opened(fleet, host)
    fleet.kill_agent()
    fleet.routes[host] = _off(fleet.routes[host])
    fleet.portal.publish(*fleet.routes.values())

    fleet.new_agent()

    assert read_all(connection) in (b"", b"<reset>")
    connection.close()
    assert status_of(fleet.edge.ask(handshake(host))) == 403
    assert final_record(fleet, host).final


def test_a_new_agent_says_by_which_table_it_goes_before_there_is_another(fleet):
    fleet.serve()
    fleet.kill_agent()
    before = len(fleet.portal.statuses)

    fleet.new_agent()

    def said():
        return [status.revision for status in fleet.portal.statuses[before:]]

    assert eventually(lambda: fleet.portal.table.revision in said())


def test_an_origin_that_ends_its_side_ends_the_tunnel(fleet):
    heard = []

    def rest(connection):
        connection.sendall(b"goodbye")
        connection.shutdown(socket.SHUT_WR)
        heard.append(read_all(connection))

    host, _ = fleet.serve(upgrade_then(rest))

    with opened(fleet, host)[0] as connection:
        assert read_all(connection) == b"goodbye"
        eventually(lambda: heard)
    assert heard == [b""]


def test_a_cut_reaches_tunnels_that_an_old_worker_still_carries(fleet):
    host, _ = fleet.serve()
    other, _ = fleet.serve()
    old, _ = opened(fleet, host)
    staying, _ = opened(fleet, other)
    fleet.change(host, header_rules=(HeaderRule("set", "X-New", "1"),))
    new, _ = opened(fleet, host)
    workers = len(fleet.haproxies())

    fleet.change(host, websockets=False, refusal="Off.", drain_mode="cut")

    assert workers > 2
    with old, new, staying:
        assert read_all(old) in (b"", b"<reset>")
        assert read_all(new) in (b"", b"<reset>")
        assert echoes(staying, b"not concerned")
    eventually(
        lambda: (
            [r.final for r in fleet.portal.of_service(service_of(host))] == [True] * 2
        )
    )


def test_a_switch_of_entitlement_needs_no_reload(fleet):
    host, _ = fleet.serve()
    fleet.settled()
    workers = fleet.haproxies()

    fleet.change(host, websockets=False, refusal="Off.")
    fleet.change(host, websockets=True)

    opened(fleet, host)[0].close()
    assert fleet.haproxies() == workers


def test_a_haproxy_that_died_is_started_again_and_its_connections_are_ended(fleet):
    host, _ = fleet.serve()
    connection, _ = opened(fleet, host)
    eventually(
        lambda: any(r.duration_us for r in fleet.portal.of_service(service_of(host)))
    )
    before = fleet.haproxies()

    for process in before:
        os.kill(process, signal.SIGKILL)

    assert read_all(connection) in (b"", b"<reset>")
    connection.close()
    record = final_record(fleet, host)
    eventually(lambda: fleet.haproxies() and not set(before) & set(fleet.haproxies()))
    again = eventually(lambda: _try(fleet, host))
    again.close()
    records = eventually(
        lambda: (
            len(fleet.portal.of_service(service_of(host))) == 2
            and fleet.portal.of_service(service_of(host))
        )
    )
    assert len({one.id.split(".")[1] for one in records}) == 2
    assert record.duration_us > 0


def test_the_last_good_table_serves_while_the_portal_is_away(fleet):
    host, _ = fleet.serve()
    fleet.portal.answers_routes = False

    fleet.edge.stop()
    fleet.new_agent()

    connection, _ = opened(fleet, host)
    with connection:
        assert echoes(connection, b"as before")
    fleet.portal.answers_routes = True


def test_stopping_drains_and_a_second_signal_ends_at_once(fleet):
    host, _ = fleet.serve()
    connection, _ = opened(fleet, host)
    master = fleet.haproxies()[0]

    fleet.edge.process.send_signal(signal.SIGTERM)
    eventually(lambda: not _accepts(fleet))
    assert echoes(connection, b"still drained")
    fleet.edge.process.send_signal(signal.SIGTERM)

    with connection:
        assert read_all(connection) in (b"", b"<reset>")
    assert fleet.edge.process.wait(20) == 0
    assert not Path(f"/proc/{master}").exists()
    assert final_record(fleet, host).bytes_from_client >= 13


def _off(route):
    changes = {"websockets": False, "refusal": "Off.", "drain_mode": "cut"}
    return type(route)(
        **({name: getattr(route, name) for name in route.__slots__} | changes)
    )


def _try(fleet, host):
    try:
        connection = fleet.edge.connect()
    except OSError:
        return None
    connection.sendall(handshake(host))
    if connection.recv(12) == b"HTTP/1.1 101":
        return connection
    connection.close()
    return None


def _accepts(fleet):
    try:
        fleet.edge.connect().close()
    except OSError:
        return False
    return True
