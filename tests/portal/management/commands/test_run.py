"""`manage.py run` with real processes: what it refuses, starts and stops."""

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

from portal.run import data_dir_lock
from tests.portal.free_ports import free_port
from tests.portal.waiting import DEADLINE_SECONDS, stop, until
from tests.stories.stack import copy_demo

ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture
def environment(tmp_path):
    """Return settings that share nothing with another portal.

    The data folder has characters that are special in a URL, and a damaged broker.
    """
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    ports = {name: str(free_port()) for name in ("PORT", "EDGE_PORT", "ECHO_PORT")}
    return kept | ports | {"DATA_DIR": str(tmp_path / "data #1?x=%41+")}


@pytest.fixture
def start(environment, tmp_path):
    """Return a function that starts `manage.py run`; all are stopped after the test."""
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
        stop(process)
        process.stdout.close()


def ends_with(process, tmp_path):
    """Return the status and the last line on stderr of a run that refuses to start."""
    process.communicate(timeout=DEADLINE_SECONDS)
    return process.returncode, (tmp_path / "errors").read_text().splitlines()[-1]


def test_a_port_in_use_is_named_with_its_variable(start, environment, tmp_path):
    with socket.create_server(("127.0.0.1", int(environment["PORT"]))):
        status, said = ends_with(start(), tmp_path)

    assert status == 1
    assert said.startswith(
        f"CommandError: Port {environment['PORT']} is in use by another program. "
        "Set PORT to another port, e.g. make run PORT="
    )


def test_a_second_run_on_the_same_folder_is_refused(start, environment, tmp_path):
    folder = Path(environment["DATA_DIR"])
    folder.mkdir()

    with data_dir_lock(folder):
        status, said = ends_with(start(), tmp_path)

    assert status == 1
    assert said.startswith(f"CommandError: Tollgate is already running with {folder}.")


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("PORT", "http", "PORT='http': write a whole number from 1 to 65535."),
        ("EDGE_PORT", "0", "EDGE_PORT='0': write a whole number from 1 to 65535."),
        ("PRODUCTION", "maybe", "PRODUCTION='maybe': write 1 or 0."),
    ],
)
def test_a_wrong_setting_is_reported_in_one_line(start, tmp_path, setting, value, said):
    refused = ends_with(start(**{setting: value}), tmp_path)

    assert refused == (1, said)
    assert (tmp_path / "errors").read_text() == f"{said}\n"


def test_an_unreachable_database_is_reported_without_its_password(start, tmp_path):
    url = f"postgres://tollgate:hush@127.0.0.1:{free_port()}/tollgate"

    status, _ = ends_with(start(DATABASE_URL=url), tmp_path)

    said = (tmp_path / "errors").read_text()
    assert status == 1
    assert said.startswith("CommandError: The database (DATABASE_URL) cannot be used:")
    assert "hush" not in said


def status_of(url, host=None):
    """Return the status of a response, 0 if there is none."""
    request = urllib.request.Request(url, headers={"Host": host} if host else {})
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status
    except urllib.error.HTTPError as refused:
        return refused.code
    except OSError:
        return 0


def children_of(process):
    """Return the command lines of a process's children, by process id."""
    listed = subprocess.run(
        ["ps", "-o", "pid=,args=", "--ppid", str(process.pid)],
        capture_output=True,
        text=True,
        check=False,
    )
    rows = [line.split(maxsplit=1) for line in listed.stdout.splitlines()]
    return {int(number): command for number, command in rows}


def test_one_command_starts_and_stops_everything(start, environment, tmp_path):
    portal, edge, echo = (
        f"http://127.0.0.1:{environment[name]}"
        for name in ("PORT", "EDGE_PORT", "ECHO_PORT")
    )

    damaged = Path(environment["DATA_DIR"]) / "broker" / "control" / "celery.exchange"
    damaged.parent.mkdir(parents=True)
    damaged.touch()

    process = start()
    lines = [process.stdout.readline().rstrip() for _ in range(12)]

    # The passwords once, then one line per address.
    assert lines[0] == "Sign in with one of these (also in demo.json):"
    people = json.loads((Path(environment["DATA_DIR"]) / "demo.json").read_text())[
        "people"
    ]
    assert [line.split()[:3] for line in lines[1:8]] == [
        [key, person["login"], person["password"]] for key, person in people.items()
    ]
    assert lines[8] == "Starting Tollgate. Press Ctrl-C to stop."
    assert set(lines[9:]) == {
        f"Portal  http://localhost:{environment['PORT']}",
        f"Edge    {edge}",
        f"Echo    {echo}  (through the edge: http://echo.localhost:{environment['EDGE_PORT']}/)",
    }
    assert status_of(f"{portal}/accounts/login/") == 200

    # The edge has its route table: an HTTP request passes, a handshake does not (R2, R12).
    until(
        lambda: status_of(f"{edge}/headers", "echo.localhost") == 200, "a plain request"
    )
    with pytest.raises(InvalidStatus) as refused:
        connect(
            "ws://echo.localhost/",
            sock=socket.create_connection(("127.0.0.1", int(environment["EDGE_PORT"]))),
        )
    assert refused.value.response.status_code == 403

    # A web server that is killed is started again.
    (web,) = [
        pid for pid, command in children_of(process).items() if "web_server" in command
    ]
    os.kill(web, signal.SIGKILL)
    assert (
        process.stdout.readline() == "web exited (signal SIGKILL). Restarting in 1 s.\n"
    )
    until(
        lambda: status_of(f"{portal}/accounts/login/") == 200,
        "the web server's restart",
    )

    # The damaged broker works again, all data is in the data folder, and all programs stop.
    until(lambda: "celery" in damaged.read_text(), "the worker's queue")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        damaged.parents[2].name,
        "errors",
    ]
    children = children_of(process)
    process.terminate()
    said, _ = process.communicate(timeout=DEADLINE_SECONDS)
    assert process.returncode == 0
    assert said == "Stopping. Press Ctrl-C again to stop immediately.\n"
    assert len(children) == 4
    assert [status_of(address) for address in (portal, edge, echo)] == [0, 0, 0]


def test_without_a_broker_pages_are_served_and_the_worker_keeps_running(
    start, environment, tmp_path, demo
):
    copy_demo(demo, Path(environment["DATA_DIR"]), environment["ECHO_PORT"])
    broker = f"amqp://guest:guest@127.0.0.1:{free_port()}//"
    errors = tmp_path / "errors"

    process = start(BROKER_URL=broker)
    until(
        lambda: "celery.worker.consumer" in errors.read_text(), "the worker's complaint"
    )

    assert status_of(f"http://127.0.0.1:{environment['PORT']}/accounts/login/") == 200
    process.terminate()
    said, _ = process.communicate(timeout=DEADLINE_SECONDS)
    assert "exited" not in said
    assert process.returncode == 0
