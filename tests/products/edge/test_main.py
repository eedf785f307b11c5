"""The edge as a program: no Django, one per name, its command line, its status."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from products.edge.__main__ import main, parse_arguments
from tests.products.edge.fake_portal import CREDENTIAL, FakePortal, eventually
from tests.products.edge.proxy.test_tunnel import open_tunnel
from tests.products.edge.running import (
    ROOT,
    Edge,
)


@pytest.mark.parametrize(
    "module", ["products.edge.__main__", "products.edge.proxy.worker"]
)
def test_no_django_is_loaded_in_an_edge(module):
    script = (
        f"import sys, {module}; "
        "print(sorted({name.partition('.')[0] for name in sys.modules}"
        " & {'django', 'rest_framework', 'celery', 'guardian', 'accounts', 'portal'}))"
    )

    seen = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
        timeout=120,
    )

    assert seen.stdout == "[]\n"


def test_a_running_edge_has_mapped_no_library_of_the_portals(shared_stand):
    pids = [shared_stand.edge.process.pid, *shared_stand.edge.workers()]

    maps = "".join(Path(f"/proc/{pid}/maps").read_text() for pid in pids)

    assert len(pids) == 2
    assert "uvloop" in maps
    assert "psycopg" not in maps


def test_a_second_edge_of_the_same_name_does_not_start(shared_stand):
    running = shared_stand.edge

    second = Edge(shared_stand.portal, running.folder, wait=False)
    second.process.wait(30)

    assert second.stop() == 1
    assert "Another edge named edge-1 is running with this data folder." in second.log()
    assert running.process.poll() is None


def test_the_name_is_free_again_after_a_kill(stand):
    own = stand()
    own.edge.kill()

    again = Edge(own.portal, own.edge.folder)

    assert again.port
    assert again.stop() == 0


def test_a_port_in_use_is_reported_in_one_line(tmp_path):
    portal = FakePortal()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        edge = Edge(portal, tmp_path, "--bind", f"127.0.0.1:{port}", wait=False)
        edge.process.wait(30)
    portal.close()

    assert edge.stop() == 1
    assert f"edge edge-1: 127.0.0.1:{port} is in use by another program." in edge.log()
    assert "Traceback" not in edge.log()


@pytest.mark.parametrize(
    "wrong, sentence",
    [
        (["--bind", "8080"], "must be HOST:PORT"),
        (["--bind", "127.0.0.1:99999"], "must be HOST:PORT"),
        (["--name", "a b"], "letters, digits and hyphens"),
        (["--processes", "0"], "must be above 0"),
        (["--poll-seconds", "0"], "must be above 0"),
        (["--idle-seconds", "soon"], "invalid float value"),
        (["--take-over", "--engine", "haproxy"], "is for the embedded engine"),
    ],
)
def test_a_wrong_command_line_is_reported(wrong, sentence, capsys):
    with pytest.raises(SystemExit) as ended:
        parse_arguments(
            [
                "--portal",
                "http://p",
                "--credential-file",
                "f",
                "--data-dir",
                "d",
                *wrong,
            ]
        )

    assert ended.value.code == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(
    "wrong, sentence",
    [
        (["--portal", "ftp://portal"], "not an http(s) URL"),
        (["--allow-private", "10.0.0.1/8"], "has host bits set"),
        (["--ca-file", "/nonexistent.pem"], "The CA file cannot be read"),
        (["--data-dir", "/proc/nothing"], "The data folder cannot be used"),
    ],
)
def test_an_impossible_setting_is_reported_in_one_line(
    wrong, sentence, tmp_path, capsys
):
    secret = tmp_path / "credential"
    secret.write_text(CREDENTIAL)
    given = ["--portal", "http://127.0.0.1:9", "--credential-file", str(secret)]
    given += ["--data-dir", str(tmp_path / "data"), "--bind", "127.0.0.1:0", *wrong]

    umask = os.umask(0)
    try:
        code = main(given)
    finally:
        os.umask(umask)

    errors = capsys.readouterr().err
    assert code == 1
    assert errors.startswith("edge edge-1: ")
    assert sentence in errors
    assert errors.count("\n") == 1


def test_a_missing_folder_of_certificates_is_reported_in_one_line(tmp_path):
    portal = FakePortal()
    edge = Edge(portal, tmp_path, "--tls-certificates", "/nonexistent", wait=False)
    edge.process.wait(30)
    portal.close()

    assert edge.stop() == 1
    assert "No folder of certificates" in edge.log()
    assert "Traceback" not in edge.log()


def test_the_edges_status_reaches_the_portal(stand):
    own = stand("--name", "edge-7")
    host, _ = own.serve()
    tunnel = open_tunnel(own.edge, host)

    status = eventually(
        lambda: [one for one in own.portal.statuses if one.open_connections == 1]
    )[0]
    tunnel.close()

    assert status.engine == "embedded"
    assert re.fullmatch(r"\d+\.\d+\.\d+", status.version)
    assert status.rejected_connections == status.log_lines_dropped == 0
    assert status.store_is_writable is True
