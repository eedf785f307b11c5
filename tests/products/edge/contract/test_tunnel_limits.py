"""Both engines: how many WebSocket connections a service and an account may have open."""

import threading

from products.edge.errors import EdgeError
from tests.products.edge.contract.speaking import (
    echoes,
    final_record,
    log_lines,
    opened,
    service_of,
)
from tests.products.edge.fake_portal import eventually
from tests.products.edge.running import handshake, read_all, read_until, status_of
from tests.products.edge.scripted import plain_answer, switching, upgrade_then_echo

SERVICE_FULL = EdgeError.SERVICE_LIMIT.sentence()
ACCOUNT_FULL = EdgeError.ACCOUNT_LIMIT.sentence()


def refusal(stand, host):
    """Try to open a tunnel; return the sentence of a 503, "" if it was opened."""
    with stand.edge.connect() as connection:
        connection.sendall(handshake(host))
        head = read_until(connection, b"\r\n\r\n")
        if status_of(head) == 101:
            return ""
        assert status_of(head) == 503
        return read_all(connection).decode().strip()


def test_a_service_at_its_limit_gets_no_further_tunnels_until_one_ends(few_tunnels):
    host, there = few_tunnels.serve(account="full service")
    other, _ = few_tunnels.serve(account="other")
    first, second = (opened(few_tunnels, host)[0] for _ in range(2))

    refused = refusal(few_tunnels, host)

    assert refused == SERVICE_FULL
    assert len(there.heads) == 2
    assert echoes(first, b"still here")
    assert echoes(opened(few_tunnels, other)[0], b"not concerned")
    first.close()
    eventually(lambda: not refusal(few_tunnels, host))
    assert echoes(second, b"still here")


def test_an_account_at_its_limit_gets_no_further_tunnels_in_any_service(few_tunnels):
    hosts = [few_tunnels.serve(account="full account")[0] for _ in range(3)]
    other, _ = few_tunnels.serve(account="another")
    tunnels = [opened(few_tunnels, hosts[number])[0] for number in (0, 0, 1)]

    # The agent beside HAProxy counts the tunnels of all services four times per second.
    refused = eventually(lambda: refusal(few_tunnels, hosts[2]))

    assert refused == ACCOUNT_FULL
    assert refusal(few_tunnels, hosts[1]) == ACCOUNT_FULL
    assert all(echoes(tunnel, b"still here") for tunnel in tunnels)
    assert echoes(opened(few_tunnels, other)[0], b"not concerned")
    tunnels[0].close()
    eventually(lambda: not refusal(few_tunnels, hosts[2]))


def test_an_upgrade_that_waits_for_its_origin_counts_as_a_tunnel(few_tunnels):
    may_answer = threading.Event()

    def slow(connection, there):
        may_answer.wait(20)
        upgrade_then_echo(connection, there)

    host, there = few_tunnels.serve(slow, account="slow")
    waiting = [few_tunnels.edge.connect() for _ in range(2)]
    for connection in waiting:
        connection.sendall(handshake(host))
    eventually(lambda: there.connections == 2)

    assert refusal(few_tunnels, host) == SERVICE_FULL
    may_answer.set()
    assert all(
        status_of(read_until(connection, b"\r\n\r\n")) == 101 for connection in waiting
    )


def test_a_refusal_for_a_limit_is_counted_and_logged_and_not_metered(
    unused_few_tunnels,
):
    stand = unused_few_tunnels
    host, _ = stand.serve()
    tunnels = [opened(stand, host)[0] for _ in range(2)]

    refused = [refusal(stand, host) for _ in range(3)]

    assert refused == [SERVICE_FULL] * 3
    statuses = stand.portal.statuses
    eventually(lambda: statuses[-1].rejected_connections == 3)
    eventually(lambda: len(log_lines(stand, host)) == 5)
    reasons = [line.get("reason") for line in log_lines(stand, host)]
    assert reasons[2:] == [SERVICE_FULL] * 3
    for tunnel in tunnels:
        tunnel.close()
    final_record(stand, host)
    assert len(stand.portal.of_service(service_of(host))) == 2


def test_ordinary_requests_pass_at_the_limit(few_tunnels):
    def script(connection, there):
        head = there.read_head(connection)
        is_upgrade = b"sec-websocket-key" in head.lower()
        connection.sendall(switching(head) if is_upgrade else plain_answer())
        connection.recv(1)

    host, _ = few_tunnels.serve(script, account="ordinary")
    tunnels = [opened(few_tunnels, host)[0] for _ in range(2)]

    with few_tunnels.edge.connect() as connection:
        connection.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        head = read_until(connection, b"\r\n")

    assert len(tunnels) == 2
    assert status_of(head) == 200
