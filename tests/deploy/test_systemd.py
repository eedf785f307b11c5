"""The units of systemd: valid, hardened, and they start what exists."""

import configparser
import re
import subprocess
from pathlib import Path

import pytest

from tests.ci_rules import program

ROOT = Path(__file__).resolve().parents[2]
UNITS = sorted((ROOT / "deploy" / "systemd").glob("*.service"))
HARDENING = {
    "NoNewPrivileges": "yes",
    "ProtectSystem": "strict",
    "ReadWritePaths": "/var/lib/tollgate",
    "UMask": "0077",
    "User": "tollgate",
    "TimeoutStopSec": "10",
}
PLACES = {
    "/opt/tollgate/.venv/bin/python": "/usr/bin/env",
    "/opt/tollgate/.venv/bin/celery": "/usr/bin/env",
    "/usr/sbin/haproxy": "/usr/bin/env",
    "User=tollgate": "User=daemon",
    "Group=tollgate": "Group=daemon",
}


def service_of(path):
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # names keep their case
    parser.read(path)
    return dict(parser["Service"])


def test_there_is_a_unit_for_every_program():
    assert {path.stem for path in UNITS} == {
        f"tollgate-{name}"
        for name in ("beat", "edge", "edge-api", "proxy", "web", "worker")
    }


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_a_unit_is_hardened(path):
    service = service_of(path)

    assert HARDENING.items() <= service.items()
    assert "EnvironmentFile" in service


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_a_unit_starts_what_exists(path):
    command = service_of(path)["ExecStart"]

    for module in re.findall(r"-m (\S+)", command):
        assert (ROOT / f"{module.replace('.', '/')}.py").exists()
    for file in re.findall(r"/opt/tollgate/(deploy/\S+)", command):
        assert (ROOT / file).exists()


@pytest.mark.systemd
@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_systemd_accepts_a_unit(tmp_path, path):
    text = path.read_text()
    for place, here in PLACES.items():  # systemd looks for the programs
        text = text.replace(place, here)
    (tmp_path / path.name).write_text(text)

    checked = subprocess.run(
        [str(program("systemd")), "verify", "--man=no", str(tmp_path / path.name)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (checked.returncode, checked.stderr) == (0, "")


def test_edge_and_proxy_can_share_a_machine_with_two_addresses():
    edge = service_of(ROOT / "deploy/systemd/tollgate-edge.service")
    proxy = (ROOT / "deploy/haproxy-portal.cfg").read_text()

    assert edge["Environment"] == "EDGE_ADDRESS=0.0.0.0"
    assert "--bind ${EDGE_ADDRESS}:80 " in edge["ExecStart"]
    assert re.findall(r'^ +bind "\$\{(\w+)\}"', proxy, re.MULTILINE) == [
        "HTTP_BIND",
        "HTTPS_BIND",
        "EDGES_BIND",
    ]
