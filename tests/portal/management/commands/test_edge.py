"""`manage.py edge`: the settings become options, and what is given goes on to the edge."""

import io
import os
import select
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import call_command

from portal.management.commands.edge import command_of, credential_file
from products.edge.__main__ import parse_arguments
from tests.products.edge.fake_portal import CREDENTIAL, FakePortal, eventually
from tests.products.edge.running import ROOT


@pytest.fixture
def portal():
    one = FakePortal()
    yield one
    one.close()


@pytest.fixture
def manage(portal, tmp_path):
    """Start `manage.py edge` with a data folder of its own; ends what was started."""
    started: list[subprocess.Popen[bytes]] = []
    environment = {
        **os.environ, "DATA_DIR": str(tmp_path), "PORTAL_URL": portal.url,
    }  # fmt: skip

    def start(*words: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, str(ROOT / "manage.py"), "edge", *words]
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.terminate()
        process.communicate(timeout=40)


def first_line(process) -> str:
    ready, _, _ = select.select([process.stdout], [], [], 60)
    return ready[0].readline().decode() if ready else ""


def test_another_edge_of_this_machine_has_a_folder_and_a_credential_of_its_own(
    manage, portal, tmp_path
):
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "edge_credential-edge-2").write_text(CREDENTIAL)

    edge = manage(
        "--name", "edge-2", "--bind", "127.0.0.1:0", "--processes", "2",
        "--poll-seconds", "0.1", "--report-seconds", "0.2", "--store-megabytes", "64",
    )  # fmt: skip

    assert first_line(edge).startswith("edge edge-2: http://127.0.0.1:")
    eventually(lambda: portal.reports)
    assert portal.reports[0].edge == "edge-2"
    usage = tmp_path / "edges" / "edge-2" / "usage"
    assert len(list(usage.glob("*/usage.db"))) == 2


def test_an_edge_without_a_credential_says_how_to_make_one(
    settings, tmp_path, monkeypatch
):
    settings.DATA_DIR = tmp_path
    started, said = [], io.StringIO()
    monkeypatch.setattr(os, "execv", lambda *words: started.append(words))

    call_command("edge", "--name", "edge-2", stderr=said)

    path = tmp_path / "secrets" / "edge_credential-edge-2"
    assert said.getvalue() == (
        "edge-2 has no credential yet. On the portal's machine: "
        f"(umask 077; manage.py edge_credential edge-2 > {path})\n"
    )
    assert started == [(sys.executable, command_of("edge-2", path, []))]


def test_the_first_edge_is_where_it_always_was(settings, tmp_path):
    settings.DATA_DIR = tmp_path
    settings.EDGE_PORT = 9080
    settings.PRIVATE_ORIGINS = ["10.0.0.0/8"]

    found = parse_arguments(command_of("edge-1", credential_file("edge-1"), [])[3:])

    assert (found.name, found.port) == ("edge-1", 9080)
    assert found.data_dir == str(tmp_path / "edge")
    assert found.credential_file == str(tmp_path / "secrets" / "edge_credential")
    assert found.allow_private == ("10.0.0.0/8",)


def test_what_is_given_goes_before_the_settings(settings, tmp_path):
    settings.PRIVATE_ORIGINS = ["10.0.0.0/8"]
    given = [
        "--bind", "0.0.0.0:80", "--tls-certificates", "/certificates",
        "--tls-port", "443", "--take-over", "--store-megabytes", "512",
        "--allow-private", "192.168.0.0/16", "--idle-seconds", "60",
    ]  # fmt: skip

    found = parse_arguments(command_of("edge-1", Path("/credential"), given)[3:])

    assert (found.bind, found.port, found.tls_port) == ("0.0.0.0", 80, 443)
    assert (found.tls_certificates, found.take_over) == ("/certificates", True)
    assert found.store_bytes == 512 * 1024**2
    assert found.allow_private == ("10.0.0.0/8", "192.168.0.0/16")
    assert found.limits.idle_seconds == 60.0
