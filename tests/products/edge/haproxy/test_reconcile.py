"""Refusals are prompt while look-ups and reloads are slow; limits; errors at the start."""

import asyncio
import socket
import threading

import pytest
from msgspec.structs import replace

from products.edge.dns import CachingResolver
from products.edge.errors import EdgeError
from products.edge.haproxy import reconcile
from products.edge.haproxy.config import REJECTION_SLOTS
from products.edge.haproxy.reconcile import OriginResolver
from tests.ci_rules import program
from tests.products.edge.conftest import Stand
from tests.products.edge.contract.speaking import echoes, opened
from tests.products.edge.fake_portal import eventually, origin, route
from tests.products.edge.haproxy.haproxy_stand import engine
from tests.products.edge.running import Edge, get, handshake, read_until, status_of

pytestmark = pytest.mark.haproxy


def first_line(edge, host):
    with edge.connect() as connection:
        connection.sendall(handshake(host))
        return read_until(connection, b"\r\n").rstrip()


def test_names_that_do_not_resolve_do_not_delay_a_refusal(haproxy):
    host, _ = haproxy.serve()
    slow = [
        route(f"slow-{number}.test", origin(80, address=f"n{number}.invalid"))
        for number in range(64)
    ]
    off = route(host, haproxy.routes[host].origin, websockets=False, refusal="Off.")

    haproxy.portal.publish(off, *slow)

    eventually(lambda: first_line(haproxy.edge, host) == b"HTTP/1.1 403 Forbidden", 5)


def engine_with_check(folder, commands):
    """Return arguments for a HAProxy that runs shell commands before it checks a file."""
    path = folder / "haproxy"
    text = f'#!/bin/sh\n[ "$1" = -c ] && {{ {commands}; }}\nexec {program("haproxy")} "$@"\n'
    path.write_text(text)
    path.chmod(0o755)
    return ["--engine", "haproxy", "--haproxy", str(path)]


def test_a_name_server_that_hangs_does_not_delay_a_refusal(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "import socket, time\n"
        "look_up = socket.getaddrinfo\n"
        "def hang(host, *rest, **more):\n"
        "    time.sleep(60 if 'hangs' in str(host) else 0)\n"
        "    return look_up(host, *rest, **more)\n"
        "socket.getaddrinfo = hang\n"
    )
    stand = Stand(tmp_path, *engine(), env={"PYTHONPATH": str(tmp_path)})
    host, _ = stand.serve()
    hanging = [
        route(f"slow-{number}.test", origin(80, address=f"n{number}.hangs.test"))
        for number in range(40)
    ]
    stand.portal.publish(*stand.routes.values(), *hanging)
    eventually(lambda: b" 502 " in first_line(stand.edge, "slow-39.test"), 5)
    off = replace(stand.routes[host], websockets=False, refusal="Off.")

    stand.portal.publish(off, *hanging)

    eventually(lambda: first_line(stand.edge, host) == b"HTTP/1.1 403 Forbidden", 3)
    assert EdgeError.ORIGIN_NOT_RESOLVED_YET.sentence().encode() in stand.edge.ask(
        get("slow-39.test")
    )
    stand.close()


def test_a_rejected_configuration_is_not_loaded_at_the_next_start_either(tmp_path):
    refuse = 'grep -q poison "$3/$5" && exit 1'
    more = engine_with_check(tmp_path, refuse)
    stand = Stand(tmp_path, *more)
    host, there = stand.serve()
    off = replace(stand.routes[host], websockets=False, refusal="Off.")
    bad = route("bad.test", origin(there.port), service="poison")
    stand.portal.publish(off, bad)
    eventually(lambda: first_line(stand.edge, host) == b"HTTP/1.1 403 Forbidden")
    kept = stand.edge.data / "routes.json"
    eventually(lambda: b"poison" in kept.read_bytes())

    stand.portal.answers_routes = False
    stand.edge.stop()
    port = ["--bind", f"127.0.0.1:{stand.edge.port}"]
    stand.edge = Edge(stand.portal, tmp_path, *more, *port)

    assert first_line(stand.edge, host) == b"HTTP/1.1 403 Forbidden"
    assert status_of(stand.edge.ask(get("bad.test"))) == 503
    stand.close()


def test_a_slow_reload_does_not_delay_a_refusal(tmp_path):
    wait = 'while [ -e "$0.slow" ]; do sleep 0.05; done'
    stand = Stand(tmp_path, *engine_with_check(tmp_path, wait))
    host, there = stand.serve()
    (tmp_path / "haproxy.slow").touch()
    more = route("more.test", origin(there.port))
    stand.portal.publish(*stand.routes.values(), more)
    candidate = stand.edge.data / "haproxy" / "candidate.cfg"
    eventually(lambda: b"ws_more-test" in candidate.read_bytes())
    off = replace(stand.routes[host], websockets=False, refusal="Off.")

    stand.portal.publish(off, more)

    eventually(lambda: first_line(stand.edge, host) == b"HTTP/1.1 403 Forbidden", 4)
    assert b" 404 " in first_line(stand.edge, "more.test")
    (tmp_path / "haproxy.slow").unlink()
    eventually(lambda: b" 101 " in first_line(stand.edge, "more.test"))
    assert first_line(stand.edge, host) == b"HTTP/1.1 403 Forbidden"
    stand.close()


async def test_a_look_up_that_hangs_does_not_delay_others(monkeypatch):
    monkeypatch.setattr(reconcile, "_FIRST_WAIT_SECONDS", 0.1)
    answer = threading.Event()

    def look_up(host, port):
        if host == "slow.example":
            answer.wait(20)
        return [(0, 0, 0, "", ("8.8.8.8", port))]

    slow = [
        route(f"slow-{number}.test", origin(number, address="slow.example"))
        for number in range(1, 8)
    ]
    quick = route("quick.test", origin(1, address="quick.example"))

    resolver = CachingResolver([], timeout_seconds=30, look_up=look_up)
    found = OriginResolver(resolver)
    await found.update([*slow, quick], again=False)
    await asyncio.wait_for(resolver.has_changed.wait(), 15)
    await found.update([*slow, quick], again=False)
    answer.set()

    assert found.problems == {"quick-test": ""}


def test_a_full_store_refuses_new_tunnels(tmp_path):
    stand = Stand(tmp_path, *engine(), "--store-megabytes", "0")
    host, there = stand.serve()

    eventually(lambda: b" 503 " in first_line(stand.edge, host))
    seen = len(there.heads)

    answer = stand.edge.ask(handshake(host))

    assert answer.endswith(EdgeError.USAGE_NOT_RECORDED.sentence().encode() + b"\n")
    assert len(there.heads) == seen
    assert stand.close() == 0


def test_connections_far_above_the_limit_per_address_are_closed(tmp_path):
    limits = ["--handshakes-per-address", "3", "--head-seconds", "60"]
    stand = Stand(tmp_path, *engine(), *limits)
    host, _ = stand.serve()
    tunnel, _ = opened(stand, host)

    silent = [try_to_connect(stand) for _ in range(3 + REJECTION_SLOTS + 10)]

    eventually(lambda: any(map(is_closed, silent)))
    assert echoes(tunnel, b"open")
    assert stand.close() == 0


def try_to_connect(stand):
    try:
        return stand.edge.connect()
    except ConnectionResetError:
        return None


def is_closed(connection):
    if connection is None:
        return True
    connection.setblocking(False)
    try:
        return connection.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


def test_two_edges_cannot_use_one_data_folder(haproxy, tmp_path):
    second = Edge(haproxy.portal, tmp_path, *engine(), wait=False)

    assert second.process.wait(20) == 1
    assert "Another edge named edge-1 is running with this data folder." in second.log()


def test_without_haproxy_the_edge_names_the_package_to_install(haproxy, tmp_path):
    missing = ["--engine", "haproxy", "--haproxy", "/nowhere/haproxy"]
    missing += ["--name", "edge-2"]

    second = Edge(haproxy.portal, tmp_path / "two", *missing, wait=False)

    assert second.process.wait(20) == 1
    assert "apt-get install haproxy" in second.log()
