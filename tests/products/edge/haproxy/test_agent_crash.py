"""Agents killed while connections end and start: each is counted once, with its bytes."""

import random
import threading

import pytest

from tests.products.edge.contract.speaking import opened, service_of
from tests.products.edge.fake_portal import eventually
from tests.products.edge.running import read_exactly

pytestmark = pytest.mark.haproxy

CLIENTS = 40
KILLS = 4


def test_each_connection_is_counted_once_when_agents_are_killed(haproxy):
    host, _ = haproxy.serve()
    rng = random.Random(20261122)
    steps = [threading.Event() for _ in range(KILLS)]
    port = haproxy.edge.port

    def client(size):
        for step in steps:
            connection, _ = opened(haproxy, host)
            with connection:
                connection.sendall(b"x" * size)
                read_exactly(connection, size)
                step.wait(60)

    sizes = [rng.randrange(1, 50_000) for _ in range(CLIENTS)]
    threads = [
        threading.Thread(target=client, args=[size], daemon=True) for size in sizes
    ]
    for thread in threads:
        thread.start()

    for step in steps:
        haproxy.kill_agent()
        step.set()  # all end, and new ones start, while no agent runs
        haproxy.start_agent()
    for thread in threads:
        thread.join(60)

    def all_final():
        records = haproxy.portal.of_service(service_of(host))
        return (
            len(records) >= KILLS * CLIENTS
            and all(r.final for r in records)
            and records
        )

    records = eventually(all_final, seconds=60)
    assert haproxy.edge.port == port
    assert len(records) == KILLS * CLIENTS
    assert len({record.id for record in records}) == KILLS * CLIENTS
    counted = sum(record.bytes_from_client for record in records)
    assert 0 <= counted - KILLS * sum(sizes) <= KILLS * CLIENTS * 200
