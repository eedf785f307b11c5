"""The units of systemd: valid, hardened, and they start what exists."""

import configparser
import re
import subprocess
from pathlib import Path
from string import Template

import pytest

from products.edge.__main__ import parse_arguments
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
        for name in ("agent", "beat", "edge", "edge-api", "proxy", "web", "worker")
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
        path = ROOT / module.replace(".", "/")
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists()
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


def test_the_agent_understands_its_command():
    service = service_of(ROOT / "deploy/systemd/tollgate-agent.service")
    values = dict(each.split("=") for each in service["Environment"].split())
    values["EDGE_API_URL"] = "https://portal.example.com:8443"
    command = Template(service["ExecStart"]).substitute(values)

    read = parse_arguments(command.partition("products.edge ")[2].split())

    assert (read.engine, read.name, read.portal) == (
        "haproxy",
        "edge-1",
        "https://portal.example.com:8443",
    )
    assert (read.bind, read.port, read.tls_port) == ("0.0.0.0", 80, 443)
    # HAProxy outlives the agent, and ends in time if both are stopped.
    assert service["KillMode"] == "process"
    assert read.limits.drain_seconds < int(service["TimeoutStopSec"])
