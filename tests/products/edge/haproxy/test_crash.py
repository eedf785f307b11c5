"""Agents killed in the midst of it: every connection once, with its bytes."""

import random
import threading

import pytest

from tests.products.edge.contract.speaking import opened, service_of
from tests.products.edge.fake_portal import eventually
from tests.products.edge.running import read_exactly

pytestmark = pytest.mark.haproxy

CLIENTS = 40
KILLS = 4


def test_no_connection_is_unknown_or_counted_twice(fleet):
    host, _ = fleet.serve()
    chance = random.Random(20261122)
    go = [threading.Event() for _ in range(KILLS)]
    port = fleet.edge.port

    def client(size):
        for step in go:
            connection, _ = opened(fleet, host)
            with connection:
                connection.sendall(b"x" * size)
                read_exactly(connection, size)
                step.wait(60)

    sizes = [chance.randrange(1, 50_000) for _ in range(CLIENTS)]
    clients = [threading.Thread(target=client, args=[size]) for size in sizes]
    for one in clients:
        one.start()

    for step in go:
        fleet.kill_agent()
        step.set()  # all end, and begin again, with nobody there to see it
        fleet.new_agent()
    for one in clients:
        one.join(60)

    def all_final():
        records = fleet.portal.of_service(service_of(host))
        return (
            len(records) >= KILLS * CLIENTS
            and all(r.final for r in records)
            and records
        )

    records = eventually(all_final, seconds=60)
    assert fleet.edge.port == port
    assert len(records) == KILLS * CLIENTS
    assert len({record.id for record in records}) == KILLS * CLIENTS
    counted = sum(record.bytes_from_client for record in records)
    assert 0 <= counted - KILLS * sum(sizes) <= KILLS * CLIENTS * 200
