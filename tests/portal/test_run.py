"""`manage.py run` as people start it: what it refuses, what it starts, how it ends."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from portal.held import only_one
from tests.portal.free_ports import free_port
from tests.portal.waiting import DEADLINE_SECONDS, until

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def environment(tmp_path):
    """Return the settings of a portal that has nothing in common with another one."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    ports = {name: str(free_port()) for name in ("PORT", "EDGE_PORT", "ECHO_PORT")}
    return kept | ports | {"DATA_DIR": str(tmp_path / "data")}


@pytest.fixture
def start(environment, tmp_path):
    """Start `manage.py run`; what a test leaves running is stopped after it."""
    started = []

    def run(**settings):
        with (tmp_path / "errors").open("w") as errors:
            process = subprocess.Popen(
                [sys.executable, "manage.py", "run"],
                cwd=ROOT,
                env=environment | settings,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        started.append(process)
        return process

    yield run
    for process in started:
        process.terminate()
        process.wait(DEADLINE_SECONDS)
        process.stdout.close()


def ends_with(process, tmp_path):
    """Return status and last line on stderr of a run that refuses to start."""
    process.communicate(timeout=DEADLINE_SECONDS)
    return process.returncode, (tmp_path / "errors").read_text().splitlines()[-1]


def test_a_port_in_use_is_named_with_its_variable(start, environment, tmp_path):
    with socket.create_server(("127.0.0.1", int(environment["PORT"]))):
        status, said = ends_with(start(), tmp_path)

    assert status == 1
    assert said.startswith(
        f"CommandError: Port {environment['PORT']} is in use by another program. "
        "Choose another with PORT, for example: make run PORT="
    )


def test_a_second_run_on_the_same_folder_is_refused(start, environment, tmp_path):
    folder = Path(environment["DATA_DIR"])
    folder.mkdir()

    with only_one(folder):
        status, said = ends_with(start(), tmp_path)

    assert status == 1
    assert said.startswith(f"CommandError: Tollgate already runs on {folder}.")


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("PORT", "http", "PORT='http': write a whole number from 1 to 65535."),
        ("EDGE_PORT", "0", "EDGE_PORT='0': write a whole number from 1 to 65535."),
        ("PRODUCTION", "maybe", "PRODUCTION='maybe': write 1 or 0."),
    ],
)
def test_a_wrong_setting_is_said_in_one_line(start, tmp_path, setting, value, said):
    refused = ends_with(start(**{setting: value}), tmp_path)

    assert refused == (1, said)
    assert (tmp_path / "errors").read_text() == f"{said}\n"


def test_a_database_that_does_not_answer_is_said_without_its_password(start, tmp_path):
    url = f"postgres://tollgate:hush@127.0.0.1:{free_port()}/tollgate"

    status, _ = ends_with(start(DATABASE_URL=url), tmp_path)

    said = (tmp_path / "errors").read_text()
    assert status == 1
    assert said.startswith("CommandError: The database (DATABASE_URL) cannot be used:")
    assert "hush" not in said


def status_of(url, host=None):
    """Return the status of an answer, 0 when there is none yet."""
    request = urllib.request.Request(url, headers={"Host": host} if host else {})
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status
    except urllib.error.HTTPError as refused:
        return refused.code
    except OSError:
        return 0


def children_of(process):
    """Return the command lines of a process's children by process id."""
    listed = subprocess.run(
        ["ps", "-o", "pid=,args=", "--ppid", str(process.pid)],
        capture_output=True,
        text=True,
        check=False,
    )
    rows = [line.split(maxsplit=1) for line in listed.stdout.splitlines()]
    return {int(number): command for number, command in rows}


def test_one_command_runs_everything_and_ends_it(start, environment, tmp_path):
    portal, edge, echo = (
        f"http://127.0.0.1:{environment[name]}"
        for name in ("PORT", "EDGE_PORT", "ECHO_PORT")
    )

    process = start()
    lines = [process.stdout.readline().rstrip() for _ in range(12)]

    # The sign-in lines once, then one line an address.
    assert lines[0] == "Sign in with one of these (also in demo.json):"
    people = json.loads((tmp_path / "data" / "demo.json").read_text())["people"]
    assert [line.split()[:3] for line in lines[1:8]] == [
        [key, person["login"], person["password"]] for key, person in people.items()
    ]
    assert lines[8] == "Tollgate starts. Ctrl-C stops it."
    assert set(lines[9:]) == {
        f"Portal  {portal}",
        f"Edge    {edge}",
        f"Echo    {echo}  (through the edge: http://echo.localhost:{environment['EDGE_PORT']}/)",
    }
    assert status_of(f"{portal}/accounts/login/") == 200

    # The edge knows its routes: a plain request passes, a handshake does not (R2, R12).
    until(
        lambda: status_of(f"{edge}/headers", "echo.localhost") == 200, "a plain request"
    )
    with pytest.raises(InvalidStatus) as refused:
        connect(
            "ws://echo.localhost/",
            sock=socket.create_connection(("127.0.0.1", int(environment["EDGE_PORT"]))),
        )
    assert refused.value.response.status_code == 403

    # A web that is killed comes back.
    (web,) = [
        pid for pid, command in children_of(process).items() if "web_server" in command
    ]
    os.kill(web, signal.SIGKILL)
    assert (
        process.stdout.readline()
        == "web died (signal SIGKILL); it starts again in 1 s.\n"
    )
    until(lambda: status_of(f"{portal}/accounts/login/") == 200, "the web's return")

    # All end together, and quickly enough.
    children = children_of(process)
    process.terminate()
    process.communicate(timeout=DEADLINE_SECONDS)
    assert process.returncode == 0
    assert len(children) == 4
    assert [status_of(address) for address in (portal, edge, echo)] == [0, 0, 0]


def test_a_broker_that_is_down_stops_no_page_and_no_worker(
    start, environment, tmp_path
):
    broker = f"amqp://guest:guest@127.0.0.1:{free_port()}//"
    errors = tmp_path / "errors"

    process = start(BROKER_URL=broker)
    until(
        lambda: "celery.worker.consumer" in errors.read_text(), "the worker's complaint"
    )

    assert status_of(f"http://127.0.0.1:{environment['PORT']}/accounts/login/") == 200
    process.terminate()
    said, _ = process.communicate(timeout=DEADLINE_SECONDS)
    assert "died" not in said
    assert process.returncode == 0
