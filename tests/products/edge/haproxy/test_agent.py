"""The agent is replaced or HAProxy exits: nothing is lost, nothing is counted twice."""

import os
import shutil
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


def test_connections_continue_without_an_agent_and_the_next_counts_all_of_them(haproxy):
    host, _ = haproxy.serve()
    connection, _ = opened(haproxy, host)
    (before,) = eventually(lambda: haproxy.portal.of_service(service_of(host)))
    processes = haproxy.haproxies()

    haproxy.kill_agent()
    assert echoes(connection, b"x" * 50_000)
    haproxy.start_agent()

    assert haproxy.haproxies() == processes
    with connection:
        assert echoes(connection, b"y" * 1000)
    record = final_record(haproxy, host)
    assert (record.id, record.started_at) == (before.id, before.started_at)
    assert record.duration_us > before.duration_us
    assert 51_000 <= record.bytes_from_client < 52_000
    assert len(haproxy.portal.of_service(service_of(host))) == 1


def test_the_next_agent_counts_a_connection_made_while_no_agent_ran(haproxy):
    host, _ = haproxy.serve()
    opened(haproxy, host)[0].close()
    final_record(haproxy, host)
    eventually(lambda: log_lines(haproxy, host))

    haproxy.kill_agent()
    connection, _ = opened(haproxy, host)
    assert echoes(connection, b"x" * 50_000)
    connection.close()
    began = time.monotonic()
    haproxy.start_agent()

    def both():
        records = haproxy.portal.of_service(service_of(host))
        return len(records) == 2 and all(record.final for record in records) and records

    records = eventually(both)
    assert max(record.bytes_from_client for record in records) >= 50_000
    assert (
        max(record.duration_us for record in records) / 1e6
        < 5 + time.monotonic() - began
    )
    # The ring kept the customer's log line too.
    eventually(lambda: len(log_lines(haproxy, host)) == 2)


def test_ordinary_requests_made_while_no_agent_ran_are_counted_once(haproxy):
    host, _ = haproxy.serve(answering(plain_answer(b"x" * 1000)))
    haproxy.edge.ask(get(host))
    eventually(lambda: haproxy.portal.delivered(service_of(host))[0] == 1)

    haproxy.kill_agent()
    haproxy.edge.ask(get(host))
    haproxy.edge.ask(get(host))
    haproxy.start_agent()

    eventually(lambda: haproxy.portal.delivered(service_of(host))[0] == 3)
    haproxy.edge.ask(get(host))
    eventually(lambda: haproxy.portal.delivered(service_of(host))[0] == 4)
    assert 4000 <= haproxy.portal.delivered(service_of(host))[2] <= 4000 + 4 * 200


def test_the_next_agent_closes_tunnels_of_a_service_switched_off_meanwhile(haproxy):
    host, _ = haproxy.serve()
    connection, _ = opened(haproxy, host)
    haproxy.kill_agent()
    haproxy.routes[host] = _off(haproxy.routes[host])
    haproxy.portal.publish(*haproxy.routes.values())

    haproxy.start_agent()

    assert read_all(connection) in (b"", b"<reset>")
    connection.close()
    assert status_of(haproxy.edge.ask(handshake(host))) == 403
    assert final_record(haproxy, host).final


def test_a_new_agent_reports_the_revision_of_the_table_on_disk(haproxy):
    haproxy.serve()
    haproxy.kill_agent()
    before = len(haproxy.portal.statuses)

    haproxy.start_agent()

    def revisions():
        return [status.revision for status in haproxy.portal.statuses[before:]]

    assert eventually(lambda: haproxy.portal.table.revision in revisions())


def test_the_tunnel_ends_when_the_origin_ends_its_side(haproxy):
    received = []

    def rest(connection):
        connection.sendall(b"goodbye")
        connection.shutdown(socket.SHUT_WR)
        received.append(read_all(connection))

    host, _ = haproxy.serve(upgrade_then(rest))

    with opened(haproxy, host)[0] as connection:
        assert read_all(connection) == b"goodbye"
        eventually(lambda: received)
    assert received == [b""]


def test_tunnels_in_a_draining_worker_are_closed_too(haproxy):
    host, _ = haproxy.serve()
    other, _ = haproxy.serve()
    old, _ = opened(haproxy, host)
    staying, _ = opened(haproxy, other)
    haproxy.change(host, header_rules=(HeaderRule("set", "X-New", "1"),))
    new, _ = opened(haproxy, host)
    workers = len(haproxy.haproxies())

    haproxy.change(host, websockets=False, refusal="Off.", drain_mode="cut")

    assert workers > 2
    with old, new, staying:
        assert read_all(old) in (b"", b"<reset>")
        assert read_all(new) in (b"", b"<reset>")
        assert echoes(staying, b"unaffected")
    eventually(
        lambda: (
            [r.final for r in haproxy.portal.of_service(service_of(host))] == [True] * 2
        )
    )


def test_switching_websockets_off_and_on_needs_no_reload(haproxy):
    host, _ = haproxy.serve()
    haproxy.wait_until_applied()
    workers = haproxy.haproxies()

    haproxy.change(host, websockets=False, refusal="Off.")
    haproxy.change(host, websockets=True)

    opened(haproxy, host)[0].close()
    assert haproxy.haproxies() == workers


def test_a_killed_haproxy_is_started_again_and_its_connections_are_final(haproxy):
    host, _ = haproxy.serve()
    connection, _ = opened(haproxy, host)
    eventually(
        lambda: any(r.duration_us for r in haproxy.portal.of_service(service_of(host)))
    )
    before = haproxy.haproxies()

    for process in before:
        os.kill(process, signal.SIGKILL)

    assert read_all(connection) in (b"", b"<reset>")
    connection.close()
    record = final_record(haproxy, host)
    eventually(
        lambda: haproxy.haproxies() and not set(before) & set(haproxy.haproxies())
    )
    eventually(lambda: _try_to_open(haproxy, host)).close()
    records = eventually(
        lambda: (
            len(haproxy.portal.of_service(service_of(host))) == 2
            and haproxy.portal.of_service(service_of(host))
        )
    )
    assert len({one.id.split(".")[1] for one in records}) == 2
    assert record.duration_us > 0


def test_the_table_on_disk_is_used_while_the_portal_is_unreachable(haproxy):
    host, _ = haproxy.serve()
    haproxy.portal.answers_routes = False

    haproxy.edge.stop()
    haproxy.start_agent()

    connection, _ = opened(haproxy, host)
    with connection:
        assert echoes(connection, b"unchanged")
    haproxy.portal.answers_routes = True


def test_stopping_drains_and_a_second_signal_stops_immediately(haproxy):
    host, _ = haproxy.serve()
    connection, _ = opened(haproxy, host)
    master = haproxy.haproxies()[0]

    haproxy.edge.process.send_signal(signal.SIGTERM)
    eventually(lambda: not _accepts(haproxy))
    assert echoes(connection, b"draining")
    haproxy.edge.process.send_signal(signal.SIGTERM)

    with connection:
        assert read_all(connection) in (b"", b"<reset>")
    assert haproxy.edge.process.wait(20) == 0
    assert not Path(f"/proc/{master}").exists()
    assert final_record(haproxy, host).bytes_from_client >= 8


def test_an_edge_whose_data_folder_was_removed_stops(haproxy):
    host, _ = haproxy.serve()
    connection, _ = opened(haproxy, host)
    with connection:
        eventually(lambda: haproxy.portal.of_service(service_of(host)))
    master = haproxy.haproxies()[0]
    shutil.rmtree(haproxy.edge.data)
    eventually(lambda: "HAProxy does not answer" in haproxy.edge.log())

    haproxy.edge.process.send_signal(signal.SIGTERM)
    haproxy.edge.process.wait(60)

    assert not Path(f"/proc/{master}").exists()


def _off(route):
    changes = {"websockets": False, "refusal": "Off.", "drain_mode": "cut"}
    return type(route)(
        **({name: getattr(route, name) for name in route.__slots__} | changes)
    )


def _try_to_open(haproxy, host):
    try:
        connection = haproxy.edge.connect()
    except OSError:
        return None
    connection.sendall(handshake(host))
    if connection.recv(12) == b"HTTP/1.1 101":
        return connection
    connection.close()
    return None


def _accepts(haproxy):
    try:
        haproxy.edge.connect().close()
    except OSError:
        return False
    return True
