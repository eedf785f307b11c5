"""The supervisor with real processes; the lock of the data folder; free ports."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from portal.run import (
    SIGNAL_DEBOUNCE_SECONDS,
    AlreadyRunningError,
    PortInUseError,
    data_dir_lock,
    require_free_ports,
)
from tests.portal.waiting import DEADLINE_SECONDS, until

ROOT = Path(__file__).resolve().parents[2]

STOPPING = "Stopping. Press Ctrl-C again to stop immediately."
SUPERVISOR = """
import os
from portal import run
from products import backoff
from portal.run import Address, ProcessSupervisor, Program

def say(line):
    print(line, flush=True)

run.HEAD_START_SECONDS = 0.2
backoff.MAX_DELAY_SECONDS = run.MAX_DELAY_SECONDS = {max_delay}
with ProcessSupervisor(
    {programs}, say=say, environment=os.environ,
    stop_seconds={stop_seconds}, first_delay_seconds={first_delay},
) as supervisor:
    supervisor.run()
say("stopped")
"""
# Appends its process id to a file, then waits for a signal.
SLEEPER = """
import os, pathlib, signal, sys
path = pathlib.Path(sys.argv[1])
path.open("a").write(f"{os.getpid()}\\n")
signal.pause()
"""
STUBBORN = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + SLEEPER
# Takes a moment to exit, and then appends its name to the file.
LEAVING = """
import pathlib, signal, sys, time
path, name = pathlib.Path(sys.argv[1]), sys.argv[2]
def leave(*_):
    time.sleep(0.3 if name == "edge" else 0)
    path.open("a").write(name + "\\n")
    sys.exit()
signal.signal(signal.SIGTERM, leave)
(path.parent / name).touch()
while True:
    signal.pause()
"""
# Listens immediately, but responds only after the first client has given up.
SERVER = """
import socket, sys
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
first, _ = server.accept()
first.recv(4096)
while first.recv(4096):
    pass
while True:
    client, _ = server.accept()
    client.recv(4096)
    client.sendall(b"HTTP/1.1 200 OK\\r\\n\\r\\n")
    client.close()
"""
EXITING = "import sys; sys.exit(3)"


def is_alive(process_id):
    """Return whether a process runs; a zombie does not."""
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    status = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(process_id)],
        capture_output=True,
        text=True,
        check=False,
    )
    return status.stdout.strip()[:1] not in {"", "Z"}


def process_ids(path):
    """Return the process ids that the runs of a sleeper have written so far."""
    return (
        [int(line) for line in path.read_text().splitlines()] if path.exists() else []
    )


def program(name, source, *arguments):
    """Return the source of a program."""
    return (
        f"Program({name!r}, {(sys.executable, '-c', source, *map(str, arguments))!r})"
    )


def server(port, source=SERVER):
    """Return the source of a program with an address."""
    command = (sys.executable, "-c", source, str(port))
    return f"Program('web', {command!r}, Address('127.0.0.1', {port}, 'Portal  here'))"


@pytest.fixture
def supervise():
    """Start supervisors; what a test leaves running is stopped after it."""
    started = []

    def start(*programs, stop_seconds=10, first_delay=0.02, max_delay=30):
        source = SUPERVISOR.format(
            programs=f"[{', '.join(programs)}]",
            stop_seconds=stop_seconds,
            first_delay=first_delay,
            max_delay=max_delay,
        )
        process = subprocess.Popen(
            [sys.executable, "-c", source], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.terminate()  # SIGKILL would leave the programs' own children running
        process.wait(DEADLINE_SECONDS)
        process.stdout.close()


def test_a_program_that_is_killed_is_started_again(supervise, tmp_path):
    ids = tmp_path / "ids"
    supervisor = supervise(program("sleeper", SLEEPER, ids))
    (first,) = until(lambda: process_ids(ids), "the first start")

    os.kill(first, signal.SIGKILL)

    until(lambda: len(process_ids(ids)) == 2, "the second start")
    assert (
        supervisor.stdout.readline()
        == "sleeper exited (signal SIGKILL). Restarting in 0.02 s.\n"
    )
    assert supervisor.poll() is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_all_programs_and_exits_with_status_0(
    supervise, tmp_path, number
):
    paths = [tmp_path / "one", tmp_path / "two"]
    supervisor = supervise(*(program(path.name, SLEEPER, path) for path in paths))
    until(lambda: all(process_ids(path) for path in paths), "both starts")

    supervisor.send_signal(number)
    said, _ = supervisor.communicate(timeout=DEADLINE_SECONDS)

    assert (supervisor.returncode, said) == (0, f"{STOPPING}\nstopped\n")
    assert [is_alive(process_ids(path)[0]) for path in paths] == [False, False]


def test_the_first_program_runs_until_the_others_have_exited(supervise, tmp_path):
    left = tmp_path / "left"
    names = ("web", "edge")
    supervisor = supervise(*(program(name, LEAVING, left, name) for name in names))
    until(lambda: all((tmp_path / name).exists() for name in names), "both starts")

    supervisor.terminate()
    supervisor.communicate(timeout=DEADLINE_SECONDS)

    assert left.read_text().split() == ["edge", "web"]


def test_a_program_that_ignores_sigterm_is_killed(supervise, tmp_path):
    ids = tmp_path / "ids"
    supervisor = supervise(program("stubborn", STUBBORN, ids), stop_seconds=0.2)
    (stubborn,) = until(lambda: process_ids(ids), "the start")

    supervisor.terminate()
    supervisor.communicate(timeout=DEADLINE_SECONDS)

    assert supervisor.returncode == 0
    assert not is_alive(stubborn)


def test_a_second_ctrl_c_stops_immediately(supervise, tmp_path):
    ids = tmp_path / "ids"
    supervisor = supervise(program("stubborn", STUBBORN, ids), stop_seconds=3600)
    (stubborn,) = until(lambda: process_ids(ids), "the start")

    supervisor.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        supervisor.wait(2 * SIGNAL_DEBOUNCE_SECONDS)
    supervisor.send_signal(signal.SIGINT)
    supervisor.communicate(timeout=DEADLINE_SECONDS)

    assert supervisor.returncode == 0
    assert not is_alive(stubborn)


def test_the_standard_output_of_a_quiet_program_is_dropped(supervise, tmp_path):
    source = "import sys; print('noise', flush=True)\n" + SLEEPER
    ids = tmp_path / "ids"
    quiet = program("quiet", source, ids).removesuffix(")") + ", quiet=True)"
    supervisor = supervise(quiet)
    until(lambda: process_ids(ids), "the start")

    supervisor.terminate()
    said, _ = supervisor.communicate(timeout=DEADLINE_SECONDS)

    assert said == f"{STOPPING}\nstopped\n"


def test_a_program_that_keeps_exiting_is_reported_once_and_stops_nothing(
    supervise, tmp_path
):
    ids, runs = tmp_path / "ids", tmp_path / "runs"
    source = "import os, sys; open(sys.argv[1], 'a').write('1\\n'); sys.exit(3)"

    supervisor = supervise(
        program("broken", source, runs),
        program("sleeper", SLEEPER, ids),
        first_delay=0.02,
        max_delay=0.04,
    )
    until(lambda: len(process_ids(runs)) >= 5, "some runs")
    supervisor.terminate()
    said, _ = supervisor.communicate(timeout=DEADLINE_SECONDS)

    assert said.splitlines() == [
        "broken exited (status 3). Restarting in 0.02 s.",
        "broken keeps exiting (status 3). Restarting every 0.04 s.",
        STOPPING,
        "stopped",
    ]
    assert len(process_ids(ids)) == 1


def test_a_program_that_cannot_be_started_stops_nothing(supervise, tmp_path):
    ids = tmp_path / "ids"

    supervisor = supervise(
        "Program('missing', ['/nowhere'])",
        program("sleeper", SLEEPER, ids),
        first_delay=8,
    )

    until(lambda: process_ids(ids), "the start of the other")
    assert supervisor.stdout.readline() == (
        "missing exited (cannot start: No such file or directory). Restarting in 8 s.\n"
    )


def test_the_line_of_an_address_is_printed_once_it_responds(supervise, free_port):
    supervisor = supervise(server(free_port))

    assert supervisor.stdout.readline() == "Portal  here\n"


def test_the_first_program_responds_before_the_others_start(
    supervise, free_port, tmp_path
):
    ids = tmp_path / "ids"

    supervisor = supervise(server(free_port), program("sleeper", SLEEPER, ids))

    assert supervisor.stdout.readline() == "Portal  here\n"
    until(lambda: process_ids(ids), "the start of the other")


@pytest.mark.parametrize("source", [EXITING, "import signal; signal.pause()"])
def test_the_others_start_although_the_first_never_responds(
    supervise, free_port, tmp_path, source
):
    ids = tmp_path / "ids"

    supervise(server(free_port, source), program("sleeper", SLEEPER, ids))

    until(lambda: process_ids(ids), "the start of the other")


@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux signals a child when its parent ends"
)
def test_programs_end_when_the_supervisor_is_killed(supervise, tmp_path):
    ids = tmp_path / "ids"
    supervisor = supervise(program("sleeper", SLEEPER, ids))
    (sleeper,) = until(lambda: process_ids(ids), "the start")

    supervisor.kill()

    until(lambda: not is_alive(sleeper), "the program's end")


def test_processes_that_a_program_leaves_behind_are_killed(supervise, tmp_path):
    ids, grandchildren = tmp_path / "ids", tmp_path / "grandchildren"
    source = f"import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', {SLEEPER!r}, sys.argv[2]])\n"
    supervise(program("parent", source + SLEEPER, ids, grandchildren))
    (parent,) = until(lambda: process_ids(ids), "the start")
    (grandchild,) = until(lambda: process_ids(grandchildren), "the grandchild's start")

    os.kill(parent, signal.SIGKILL)

    until(lambda: len(process_ids(ids)) == 2, "the second start")
    until(lambda: not is_alive(grandchild), "the grandchild's end")


@pytest.fixture
def taken_port():
    """Return a port that another program listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_free_ports_are_accepted(free_port):
    require_free_ports({"PORT": free_port})


def test_a_port_in_use_is_refused_with_its_setting(taken_port):
    with pytest.raises(PortInUseError) as refused:
        require_free_ports({"EDGE_PORT": taken_port})

    other = taken_port + 1000 if taken_port <= 64535 else taken_port - 1000
    assert str(refused.value) == (
        f"Port {taken_port} is in use by another program. "
        f"Set EDGE_PORT to another port, e.g. make run EDGE_PORT={other}."
    )


def test_two_programs_cannot_have_one_port(free_port):
    with pytest.raises(PortInUseError) as refused:
        require_free_ports({"PORT": free_port, "ECHO_PORT": free_port})

    assert str(refused.value) == (
        f"PORT and ECHO_PORT are both {free_port}. Set one to another port."
    )


def test_a_connection_in_time_wait_does_not_keep_a_port_in_use():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            accepted, _ = server.accept()
            accepted.close()  # the side that closes first keeps TIME_WAIT

    require_free_ports({"PORT": port})


def test_two_supervisors_cannot_use_one_data_folder(tmp_path):
    source = (
        "import sys\nfrom pathlib import Path\nfrom portal.run import data_dir_lock\n"
    )
    source += "with data_dir_lock(Path(sys.argv[1])): print('locked', flush=True); sys.stdin.read()\n"
    other = subprocess.Popen(
        [sys.executable, "-c", source, tmp_path],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    other.stdout.readline()

    with pytest.raises(AlreadyRunningError) as refused, data_dir_lock(tmp_path):
        pytest.fail("both have the lock")
    other.communicate("")

    assert str(refused.value) == (
        f"Tollgate is already running with {tmp_path}. "
        "Stop it, or set DATA_DIR to another folder."
    )
    with data_dir_lock(tmp_path):
        pass
