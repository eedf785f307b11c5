"""Both engines: the customer's log and the meter (R10, R14, R15)."""

import json
import os
import socket
import time

import pytest

from products.edge.contract import HeaderRule, RouteLogEndpoint
from tests.products.edge.collecting import https_endpoint
from tests.products.edge.contract.conftest import ENGINES, started
from tests.products.edge.contract.speaking import (
    AUTHORITY,
    CLOSE_ENOUGH_BYTES,
    echoes,
    final_record,
    log_lines,
    opened,
    service_of,
)
from tests.products.edge.fake_portal import eventually
from tests.products.edge.running import handshake, read_all


def test_the_line_is_written_at_accept_and_never_again(stand):
    host, _ = stand.serve()
    connection, _ = opened(stand, host)

    (line,) = eventually(lambda: log_lines(stand, host))
    connection.close()
    final_record(stand, host)

    assert log_lines(stand, host) == [line]
    assert {name: line[name] for name in line if name != "time"} == {
        "event": "accepted",
        "service": service_of(host),
        "client": "127.0.0.1",
        "method": "GET",
        "host": host,
        "path": "/",
        "edge": "edge-1",
    }


def test_a_refusal_is_in_the_customers_log_with_its_reason(stand):
    host, _ = stand.serve(websockets=False, refusal="Not “bought” yet.")

    stand.edge.ask(handshake(host, target="/chat?token=secret"))

    (line,) = eventually(lambda: log_lines(stand, host))
    assert (line["event"], line["reason"]) == ("refused", "Not “bought” yet.")
    assert line["path"] == "/chat"


def test_the_line_holds_the_fields_that_were_asked_for_as_the_client_sent_them(stand):
    asked = RouteLogEndpoint(
        "syslog", "log", "127.0.0.1:9", ("User-Agent", "X-Twice", "X-None")
    )
    rules = (HeaderRule("set", "User-Agent", "changed"),)
    host, _ = stand.serve(log_endpoints=(asked,), header_rules=rules)
    sent = ['User-Agent: a "quoted" \\ one\xfc', "X-Twice: 1", "X-Twice: 2, 3"]

    opened(stand, host, *sent)[0].close()

    (line,) = eventually(lambda: log_lines(stand, host))
    assert line["fields"] == {
        "User-Agent": 'a "quoted" \\ one\xfc',
        "X-Twice": "1, 2, 3",
    }


def test_a_connection_is_reported_while_it_is_open_and_finally_with_time_and_bytes(
    stand,
):
    host, _ = stand.serve()
    before = time.time()
    connection, head = opened(stand, host)
    after = time.time()
    sent, received = len(handshake(host)), len(head)
    (first,) = eventually(lambda: stand.portal.of_service(service_of(host)))

    with connection:
        assert echoes(connection, b"x" * 10_000)
        began = time.monotonic()
        eventually(
            lambda: stand.portal.of_service(service_of(host))[0].duration_us > 400_000
        )
        lasted = time.monotonic() - began

    record = final_record(stand, host)
    assert not first.final
    assert (record.id, record.started_at, record.month) == (
        first.id, first.started_at, "2026-11",
    )  # fmt: skip
    assert before - 0.1 <= record.started_at.timestamp() <= after + 0.1
    assert lasted * 0.9 <= record.duration_us / 1e6 <= time.time() - before
    assert abs(record.bytes_from_client - sent - 10_000) <= CLOSE_ENOUGH_BYTES
    assert abs(record.bytes_to_client - received - 10_000) <= CLOSE_ENOUGH_BYTES


def test_each_connection_has_one_record_of_its_own(stand):
    host, _ = stand.serve()

    for connection, _ in [opened(stand, host) for _ in range(20)]:
        connection.close()

    def all_final():
        records = stand.portal.of_service(service_of(host))
        return len(records) == 20 and all(record.final for record in records)

    eventually(all_final)
    assert (
        len({record.id for record in stand.portal.of_service(service_of(host))}) == 20
    )


def test_the_edge_says_until_when_all_has_arrived_and_no_further(stand):
    host, _ = stand.serve()
    said = stand.portal.statuses
    stand.portal.usage_status = 503
    with opened(stand, host)[0]:
        eventually(lambda: said[-1].unsent_bytes > 0)
        began = time.time()
        eventually(lambda: said[-1].at > began + 0.5)
        meanwhile = said[-1].complete_to
        stand.portal.usage_status = 200

        eventually(lambda: said[-1].complete_to > began)

    assert meanwhile < began
    assert (said[-1].ingest_epoch, said[-1].quarantined_records) == ("epoch-1", 0)


def test_lines_reach_an_https_endpoint(stand):
    with https_endpoint(AUTHORITY, "localhost") as (url, bodies):
        endpoint = RouteLogEndpoint("https", "mine", url, ("User-Agent",))
        host, _ = stand.serve(log_endpoints=(endpoint,))
        for _ in range(3):
            opened(stand, host, "User-Agent: tester")[0].close()
        eventually(lambda: b"".join(bodies).count(b"\n") == 3)

    lines = [json.loads(line) for line in b"".join(bodies).splitlines()]
    assert [line["fields"] for line in lines] == [{"User-Agent": "tester"}] * 3
    assert {line["service"] for line in lines} == {service_of(host)}


def test_lines_reach_a_syslog_endpoint_with_their_length(stand):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"localhost:{server.getsockname()[1]}"
        endpoint = RouteLogEndpoint("syslog", "mine", address)
        host, _ = stand.serve(log_endpoints=(endpoint,))
        opened(stand, host)[0].close()
        server.settimeout(20)
        connection, _ = server.accept()
        with connection:
            connection.settimeout(20)
            text = read_all(connection)

    length, _, message = text.partition(b" ")
    head, _, line = message.partition(b"{")
    assert int(length) == len(message)
    assert head == f"<134>1 - edge-1 tollgate - {service_of(host)} - ".encode()
    assert json.loads(b"{" + line)["host"] == host


@pytest.mark.parametrize("engine", ENGINES)
def test_only_its_owner_can_read_what_an_edge_writes(engine, tmp_path):
    umask = os.umask(0o022)  # of the shell that starts it
    try:
        own = started(engine, tmp_path / engine)
    finally:
        os.umask(umask)
    host, _ = own.serve()
    opened(own, host)[0].close()
    final_record(own, host)

    modes = {
        path: path.stat().st_mode & 0o077
        for path in own.edge.data.rglob("*")
        if path.is_file()
    }

    own.close()
    assert len(modes) > 5
    assert set(modes.values()) == {0}
