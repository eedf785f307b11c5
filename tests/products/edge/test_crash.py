"""Killed, restarted, cut off from its portal, out of disk: nothing unknown, nothing twice."""

import random
import resource
import threading
import time

import pytest

from tests.products.edge.fake_portal import FakePortal, eventually, origin, route
from tests.products.edge.proxy.test_tunnel import open_tunnel
from tests.products.edge.running import (
    Edge,
    get,
    handshake,
    read_exactly,
    read_until,
    status_of,
)
from tests.products.edge.scripted import (
    Origin,
    answering,
    plain_answer,
    upgrade_then_echo,
)

TICK_SECONDS = 0.2  # what tests run with
LATE_SECONDS = 1.0  # a tick that a busy machine may hold up


class Client(threading.Thread):
    """Opens a tunnel and echoes until it breaks; keeps when it had seen how much."""

    def __init__(self, edge, host, chance):
        super().__init__(daemon=True)
        self.edge, self.host = edge, host
        self.pause = chance.uniform(0.001, 0.01)
        self.opened = False
        self.seen = [(time.monotonic(), 0)]
        self.start()

    def run(self):
        try:
            with self.edge.connect() as connection:
                connection.sendall(handshake(self.host))
                head = read_until(connection, b"\r\n\r\n")
                self.opened = status_of(head) == 101
                total = len(head)
                while True:
                    self.seen.append((time.monotonic(), total))
                    connection.sendall(b"x" * 100)
                    read_exactly(connection, 100)
                    total += 100
                    time.sleep(self.pause)
        except (OSError, AssertionError):
            return

    def seen_at(self, moment):
        return max((count for at, count in self.seen if at <= moment), default=0)


def run_and_kill(tmp_path, clients, seed):
    """Let clients talk, kill the edge at some moment, start it again; give all records."""
    chance = random.Random(seed)
    portal = FakePortal()
    there = Origin(upgrade_then_echo)
    edge = Edge(portal, tmp_path)
    edge.apply(route("crash.test", origin(there.port)))
    talking = [Client(edge, "crash.test", chance) for _ in range(clients)]
    eventually(lambda: sum(client.opened for client in talking) >= clients // 3, 60)
    time.sleep(chance.uniform(0, 3 * TICK_SECONDS))
    killed_at = time.monotonic()
    edge.kill()
    for client in talking:
        client.join(30)
    again = Edge(portal, tmp_path)
    opened = [client for client in talking if client.opened]
    eventually(
        lambda: sum(r.final for r in portal.connections.values()) >= len(opened), 40
    )
    assert again.stop() == 0
    portal.close()
    there.close()
    return opened, killed_at, list(portal.connections.values())


def check_nothing_lost(opened, killed_at, records):
    # Each client that saw a 101 has a record; a 101 may have been in flight at the kill.
    assert len(records) >= len(opened) > 0
    assert all(record.final for record in records)
    assert len({record.id for record in records}) == len(records)
    seen = sum(client.seen_at(killed_at + 5) for client in opened)
    a_tick_before = sum(
        client.seen_at(killed_at - TICK_SECONDS - LATE_SECONDS) for client in opened
    )
    reported = sum(record.bytes_to_client for record in records)
    in_flight = 300 * len(
        records
    )  # a head, and an echo that the kill caught on its way
    assert a_tick_before <= reported <= seen + in_flight


def test_after_a_kill_every_accepted_connection_is_known(tmp_path):
    check_nothing_lost(*run_and_kill(tmp_path, clients=40, seed=1))


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(20))
def test_after_a_kill_at_any_moment_every_accepted_connection_is_known(tmp_path, seed):
    check_nothing_lost(*run_and_kill(tmp_path, clients=200, seed=seed))


def test_a_kill_between_two_reports_counts_nothing_twice(tmp_path):
    portal = FakePortal()
    there = Origin(upgrade_then_echo)
    folder = tmp_path
    expected = {}
    for number in range(3):
        edge = Edge(portal, folder)
        edge.apply(route("twice.test", origin(there.port)))
        tunnel = open_tunnel(edge, "twice.test")
        tunnel.sendall(b"x" * (number + 1))
        read_exactly(tunnel, number + 1)
        tunnel.close()
        eventually(
            lambda n=number: sum(r.final for r in portal.connections.values()) == n + 1
        )
        expected = dict(portal.connections)
        edge.kill()
        portal.connections.clear()
        portal.epoch = f"restored-{number}"

    again = Edge(portal, folder)
    eventually(lambda: len(portal.connections) == 3)
    again.stop()

    sizes = [record.bytes_from_client for record in portal.connections.values()]
    head = len(handshake("twice.test"))
    assert sorted(sizes) == [head + 1, head + 2, head + 3]
    assert set(expected) <= set(portal.connections)
    portal.close()
    there.close()


def test_a_damaged_store_of_a_killed_edge_is_quarantined_and_the_next_one_serves(
    tmp_path,
):
    portal = FakePortal()
    there = Origin(upgrade_then_echo)
    edge = Edge(portal, tmp_path)
    edge.apply(route("damaged.test", origin(there.port)))
    open_tunnel(edge, "damaged.test")
    edge.kill()
    (store,) = (edge.data / "usage").glob("*/usage.db")
    store.write_bytes(b"garbage" * 10_000)

    again = Edge(portal, tmp_path)
    again.apply(route("damaged.test", origin(there.port)))
    open_tunnel(again, "damaged.test").close()
    eventually(lambda: portal.statuses[-1].quarantined_records == 1)

    instances = {path.name for path in (again.data / "usage").iterdir()}
    assert f"{store.parent.name}.damaged-1" in instances
    assert portal.statuses[-1].complete_to == 0
    assert again.stop() == 0
    portal.close()
    there.close()


def test_a_portal_that_fails_in_every_way_gets_the_same_totals(stand):
    own = stand()
    host, _ = own.serve()
    chance = random.Random(7)
    expected = []
    for number in range(30):
        own.portal.usage_status = chance.choice([200, 200, 500, 404, 501, 503])
        own.portal.drop_answers = chance.choice([0, 1, 3])
        tunnel = open_tunnel(own.edge, host)
        tunnel.sendall(b"x" * number)
        read_exactly(tunnel, number)
        tunnel.close()
        expected.append(len(handshake(host)) + number)
    own.portal.usage_status = 200
    own.portal.drop_answers = 0

    service = host.replace(".", "-")
    eventually(
        lambda: [r.final for r in own.portal.of_service(service)] == [True] * 30, 60
    )

    sizes = sorted(
        record.bytes_from_client for record in own.portal.of_service(service)
    )
    assert sizes == expected


def test_a_portal_without_the_usage_endpoint_does_no_harm(stand):
    own = stand()
    own.portal.usage_status = 404
    host, _ = own.serve()

    open_tunnel(own.edge, host).close()
    eventually(lambda: own.portal.statuses[-1].unsent_bytes > 0)

    assert own.edge.stop() == 0
    assert "Traceback" not in own.edge.log()


def test_a_full_disk_refuses_new_upgrades_and_keeps_tunnels(stand):
    own = stand("--tick-seconds", "0.1")
    host, _ = own.serve()
    plain, _ = own.serve(answering(plain_answer()))
    tunnel = open_tunnel(own.edge, host)

    def status():
        with own.edge.connect() as connection:
            connection.sendall(handshake(host))
            return status_of(read_until(connection, b"\r\n"))

    (worker,) = own.edge.workers()
    before = resource.prlimit(worker, resource.RLIMIT_FSIZE)
    resource.prlimit(worker, resource.RLIMIT_FSIZE, (0, before[1]))
    eventually(lambda: status() == 503)
    eventually(lambda: own.portal.statuses[-1].store_is_writable is False)
    tunnel.sendall(b"kept")
    assert read_exactly(tunnel, 4) == b"kept"
    assert status_of(own.edge.ask(get(plain))) == 200

    resource.prlimit(worker, resource.RLIMIT_FSIZE, before)
    assert eventually(lambda: status() == 101)


def test_a_full_store_refuses_new_upgrades(stand):
    own = stand("--store-megabytes", "0")
    own.portal.usage_status = 503
    host, _ = own.serve()

    def status():
        with own.edge.connect() as connection:
            connection.sendall(handshake(host))
            return status_of(read_until(connection, b"\r\n"))

    assert eventually(lambda: status() == 503)


def test_bytes_and_time_are_those_of_the_connection(stand):
    own = stand()
    host, _ = own.serve()
    before = time.time()
    tunnel = open_tunnel(own.edge, host)
    opened = time.monotonic()
    tunnel.sendall(b"x" * 5000)
    read_exactly(tunnel, 5000)
    time.sleep(0.5)  # the duration under test
    tunnel.close()
    lasted = time.monotonic() - opened

    (record,) = eventually(
        lambda: [r for r in own.portal.of_service(host.replace(".", "-")) if r.final]
    )
    report = own.portal.reports[-1]

    assert record.bytes_from_client == len(handshake(host)) + 5000
    answer = 129  # of the origin's 101
    assert record.bytes_to_client == answer + 5000
    assert 0.5 <= record.duration_us / 1e6 <= lasted + 0.5
    assert record.month == "2026-11"
    assert record.id.startswith(f"edge-1.{report.instance}.")
    assert before - 1 <= record.started_at.timestamp() <= time.time()
