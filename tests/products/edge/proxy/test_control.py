"""The control process: draining, crashes, restarts, several workers, and no portal."""

import os
import signal
import subprocess
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from products.edge.contract import FORMAT, RouteTable
from products.edge.errors import EdgeError
from tests.products.edge.fake_portal import FakePortal, eventually, origin, route
from tests.products.edge.proxy.test_tunnel import open_tunnel
from tests.products.edge.running import (
    Edge,
    get,
    handshake,
    is_refused,
    read_all,
    read_exactly,
    status_of,
)
from tests.products.edge.scripted import (
    Origin,
    answering,
    plain_answer,
    upgrade_then_echo,
)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_lets_open_tunnels_finish_and_accepts_no_new_ones(stand, number):
    own = stand("--drain-seconds", "20")
    host, _ = own.serve()
    tunnel = open_tunnel(own.edge, host)

    own.edge.process.send_signal(number)
    eventually(lambda: is_refused(own.edge.port))
    tunnel.sendall(b"draining")
    assert read_exactly(tunnel, 8) == b"draining"
    tunnel.close()

    assert own.edge.process.wait(20) == 0
    records = own.portal.of_service(host.replace(".", "-"))
    assert [record.final for record in records] == [True]


def test_after_the_drain_time_tunnels_are_closed_and_counted(stand):
    own = stand("--drain-seconds", "0.5")
    host, _ = own.serve()
    tunnel = open_tunnel(own.edge, host)
    tunnel.sendall(b"x" * 1000)
    read_exactly(tunnel, 1000)

    code = own.edge.stop()

    assert code == 0
    assert read_all(tunnel) in (b"", b"<reset>")
    tunnel.close()
    (record,) = own.portal.of_service(host.replace(".", "-"))
    assert record.final
    assert record.bytes_from_client == len(handshake(host)) + 1000


def test_a_second_sigterm_stops_the_edge_immediately(stand):
    own = stand("--drain-seconds", "600")
    host, _ = own.serve()
    tunnel = open_tunnel(own.edge, host)

    own.edge.process.send_signal(signal.SIGTERM)
    eventually(lambda: is_refused(own.edge.port))
    own.edge.process.send_signal(signal.SIGTERM)

    assert own.edge.process.wait(20) == 0
    tunnel.close()


def test_a_worker_that_crashes_is_replaced_and_its_connections_are_reported(stand):
    own = stand()
    host, _ = own.serve()
    tunnel = open_tunnel(own.edge, host)
    tunnel.sendall(b"x")
    read_exactly(tunnel, 1)
    (worker,) = own.edge.workers()

    subprocess.run(["/bin/kill", "-9", str(worker)], check=True)

    assert read_all(tunnel) in (b"", b"<reset>")
    tunnel.close()
    eventually(lambda: own.edge.workers() not in ([], [worker]))
    eventually(lambda: not is_refused(own.edge.port))
    open_tunnel(own.edge, host).close()
    finals = eventually(
        lambda: [r for r in own.portal.of_service(host.replace(".", "-")) if r.final]
    )
    assert finals


HANGING = """
import faulthandler, signal, time
later = faulthandler.dump_traceback_later
faulthandler.dump_traceback_later = lambda _, **more: later(1.0, **more)
signal.signal(signal.SIGUSR1, lambda *_: time.sleep(3600))
"""


def test_a_worker_that_hangs_is_replaced_and_says_where_it_hung(stand, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(HANGING)
    own = stand(env={"PYTHONPATH": str(tmp_path)})
    host, _ = own.serve()
    (worker,) = own.edge.workers()

    os.kill(worker, signal.SIGUSR1)

    eventually(lambda: own.edge.workers() not in ([], [worker]))
    eventually(lambda: not is_refused(own.edge.port))
    open_tunnel(own.edge, host).close()
    assert "sitecustomize.py" in own.edge.log()


def test_workers_do_not_outlive_their_control_process(stand):
    own = stand("--processes", "2")
    workers = own.edge.workers()

    own.edge.kill()

    assert len(workers) == 2
    eventually(lambda: not any(Path(f"/proc/{pid}/cwd").exists() for pid in workers))


def test_several_processes_share_the_port_the_table_and_the_reports(stand):
    own = stand("--processes", "3")
    host, there = own.serve()
    service = host.replace(".", "-")
    tunnels = [open_tunnel(own.edge, host) for _ in range(40)]
    for tunnel in tunnels:
        tunnel.close()

    eventually(
        lambda: len([r for r in own.portal.of_service(service) if r.final]) == 40
    )
    instances = {record.id.split(".")[1] for record in own.portal.of_service(service)}

    assert there.connections == 40
    assert len(instances) > 1


def test_clients_in_the_queue_are_served_when_the_edge_stops(stand):
    own = stand("--drain-seconds", "20")
    answered = threading.Event()

    def script(connection, there):
        there.read_head(connection)
        answered.wait(20)
        connection.sendall(plain_answer())

    host, _ = own.serve(script)
    (worker,) = own.edge.workers()
    subprocess.run(["/bin/kill", "-STOP", str(worker)], check=True)
    queued = [own.edge.connect() for _ in range(20)]
    for connection in queued:
        connection.sendall(get(host))

    own.edge.process.send_signal(signal.SIGTERM)
    subprocess.run(["/bin/kill", "-CONT", str(worker)], check=True)
    answered.set()

    assert [status_of(read_all(connection)) for connection in queued] == [200] * 20
    for connection in queued:
        connection.close()
    assert own.edge.process.wait(30) == 0


def test_without_the_portal_the_last_table_serves_after_a_restart(tmp_path):
    portal = FakePortal()
    there = Origin(upgrade_then_echo)
    edge = Edge(portal, tmp_path)
    edge.apply(route("kept.test", origin(there.port)))
    assert edge.stop() == 0
    portal.answers_routes = False

    again = Edge(portal, tmp_path)
    open_tunnel(again, "kept.test").close()

    assert again.stop() == 0
    portal.close()
    there.close()


def test_an_edge_without_a_table_says_so(tmp_path):
    portal = FakePortal()
    portal.answers_routes = False
    edge = Edge(portal, tmp_path)

    answer = edge.ask(get("any.test"))

    assert status_of(answer) == 503
    assert EdgeError.NO_ROUTE_TABLE.sentence().encode() in answer
    assert edge.stop() == 0
    portal.close()


def test_a_damaged_table_on_disk_is_not_used(tmp_path):
    portal = FakePortal()
    portal.answers_routes = False
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "routes.json").write_bytes(b'{"format": 1, "gener')

    edge = Edge(portal, tmp_path)

    assert status_of(edge.ask(get("any.test"))) == 503
    assert "The table on disk is not used" in edge.log()
    assert edge.stop() == 0
    portal.close()


def test_a_faulty_table_from_the_portal_changes_nothing(stand):
    own = stand()
    host, _ = own.serve(answering(plain_answer()))
    good = own.portal.table

    own.portal.table = RouteTable(FORMAT + 1, good.revision + 1, ())
    eventually(lambda: "format: Invalid enum value" in own.edge.log())

    assert status_of(own.edge.ask(get(host))) == 200
    own.portal.table = good


def test_a_tunnel_that_outlives_its_month_is_reported_for_both(stand):
    own = stand()
    ends = datetime.now(UTC) + timedelta(seconds=2)
    month_ends_at = ends.isoformat().replace("+00:00", "Z")
    host, _ = own.serve(month="2026-11", month_ends_at=month_ends_at)
    service = host.replace(".", "-")
    tunnel = open_tunnel(own.edge, host)
    tunnel.sendall(b"x" * 1000)
    read_exactly(tunnel, 1000)

    eventually(lambda: len(own.portal.of_service(service)) == 2)
    tunnel.sendall(b"y" * 70)
    read_exactly(tunnel, 70)
    tunnel.close()
    eventually(lambda: any(r.final for r in own.portal.of_service(service)))

    old, new = sorted(own.portal.of_service(service), key=lambda record: record.month)
    assert (old.id, old.started_at) == (new.id, new.started_at)
    assert (old.month, old.bytes_from_client) == (
        "2026-11",
        len(handshake(host)) + 1000,
    )
    assert (new.month, new.bytes_from_client, new.bytes_to_client) == (
        "2026-12",
        70,
        70,
    )
    assert (old.final, new.final) == (False, True)
