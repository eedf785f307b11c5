"""What an edge needs before it starts: a data folder and ports that it alone uses."""

import contextlib
import signal
import socket
import time
from dataclasses import replace

import pytest

from products.edge import startup
from products.edge.errors import StartupError
from products.edge.settings import Settings
from products.edge.startup import FolderLock, bind_ports
from tests.products.edge.fake_portal import eventually
from tests.products.edge.proxy.test_tunnel import open_tunnel
from tests.products.edge.running import Edge, read_exactly


def settings_of(folder):
    return Settings(
        name="north",
        portal="http://127.0.0.1",
        credential_file="credential",
        data_dir=str(folder),
    )


def test_an_edge_of_another_name_is_refused_the_folder_of_one_that_runs(shared_stand):
    own = shared_stand
    host, _ = own.serve()
    tunnel = open_tunnel(own.edge, host)
    service = host.replace(".", "-")
    eventually(lambda: own.portal.of_service(service))

    second = Edge(own.portal, own.edge.folder, "--name", "south", wait=False)
    second.process.wait(30)
    tunnel.sendall(b"still here")

    assert second.stop() == 1
    assert (
        "edge south: The data folder belongs to edge-1. Its usage is reported under that "
        "name. Give south another folder with --data-dir, or continue with --name edge-1."
        in second.log()
    )
    assert read_exactly(tunnel, 10) == b"still here"
    tunnel.close()
    (record,) = eventually(
        lambda: [r for r in own.portal.of_service(service) if r.final]
    )
    assert record.id.startswith("edge-1.")
    assert len(own.portal.of_service(service)) == 1


def test_a_folder_keeps_its_name_after_its_edge_has_ended(stand):
    own = stand("--name", "north")
    assert own.edge.stop() == 0

    second = Edge(own.portal, own.edge.folder, "--name", "south", wait=False)
    second.process.wait(30)
    again = Edge(own.portal, own.edge.folder, "--name", "north")

    assert second.stop() == 1
    assert "The data folder belongs to north" in second.log()
    assert again.stop() == 0


def test_an_edge_of_another_name_cannot_take_over(shared_stand):
    own = shared_stand

    second = Edge(
        own.portal, own.edge.folder, "--name", "south", "--take-over", wait=False
    )
    second.process.wait(30)

    assert second.stop() == 1
    assert "The data folder belongs to edge-1" in second.log()
    assert own.edge.process.poll() is None


def test_two_edges_do_not_share_a_port(shared_stand, tmp_path):
    own = shared_stand
    port = f"127.0.0.1:{own.edge.port}"

    second = Edge(
        own.portal, tmp_path / "south", "--name", "south", "--bind", port, wait=False
    )
    second.process.wait(30)

    assert second.stop() == 1
    assert (
        f"edge south: {port} is in use by another program. "
        "Choose another port with --bind.\n" in second.log()
    )
    assert own.edge.process.poll() is None


def test_take_over_does_not_share_the_port_of_another_edge(shared_stand, tmp_path):
    own = shared_stand
    port = f"127.0.0.1:{own.edge.port}"
    more = ["--name", "south", "--take-over", "--bind", port]

    second = Edge(own.portal, tmp_path / "south", *more, wait=False)
    second.process.wait(30)

    assert second.stop() == 1
    assert "is in use by another program" in second.log()


def test_two_edges_do_not_share_a_port_for_tls(stand, tmp_path):
    (tmp_path / "certificates").mkdir()
    certificates = ["--tls-certificates", str(tmp_path / "certificates")]
    own = stand("--name", "north", *certificates)
    tls_port = str(own.edge.tls_port)

    second = Edge(
        own.portal, tmp_path / "south", "--name", "south", *certificates,
        "--tls-port", tls_port, wait=False,
    )  # fmt: skip
    second.process.wait(30)

    assert second.stop() == 1
    assert (
        f"edge south: 127.0.0.1:{tls_port} is in use by another program. "
        "Choose another port with --tls-port.\n" in second.log()
    )


def test_a_killed_edge_starts_again_on_its_port(stand):
    own = stand("--processes", "2")
    port = f"127.0.0.1:{own.edge.port}"

    own.edge.process.send_signal(signal.SIGKILL)
    again = Edge(own.portal, own.edge.folder, "--bind", port)

    assert again.port == own.edge.port
    assert again.stop() == 0


def test_a_restarted_edge_waits_a_while_for_its_port(tmp_path, monkeypatch):
    monkeypatch.setattr(startup, "_PORT_SECONDS", 0.3)
    settings = settings_of(tmp_path)
    with contextlib.closing(FolderLock(settings)) as first:
        assert not first.is_restart
    with contextlib.closing(FolderLock(settings)) as second:
        assert second.is_restart

    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = replace(settings, port=taken.getsockname()[1])
        began = time.monotonic()
        with pytest.raises(StartupError, match="in use by another program"):
            bind_ports(settings, is_alone=True, is_restart=True)

    assert time.monotonic() - began >= 0.3


def test_a_data_folder_that_was_there_is_closed_to_other_users(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    folder.chmod(0o755)

    FolderLock(settings_of(folder)).close()

    assert folder.stat().st_mode & 0o777 == 0o750
