"""The supervisor with real processes: it restarts, gives up, announces and stops."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from portal.supervise import SAME_WISH_SECONDS
from tests.portal.waiting import DEADLINE_SECONDS, until

ROOT = Path(__file__).resolve().parents[2]

SUPERVISOR = """
import os, sys
from portal.supervise import Address, Program, Supervisor

def say(line):
    print(line, flush=True)

programs = {programs}
with Supervisor(
    programs, say=say, environment=os.environ, grace_seconds={grace}, first_delay_seconds=0.02
) as supervisor:
    code = supervisor.run()
say("stopped")
sys.exit(code)
"""
# Writes its process id as a line of its own file, then waits for the end.
SLEEPER = """
import os, pathlib, signal, sys
path = pathlib.Path(sys.argv[1])
path.open("a").write(f"{os.getpid()}\\n")
signal.pause()
"""
STUBBORN = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + SLEEPER
# Ends at the second request only, as an edge does that still carries connections.
PATIENT = (
    "import signal\ndef once(*_): signal.signal(signal.SIGTERM, signal.SIG_DFL)\n"
    "signal.signal(signal.SIGTERM, once)\n" + SLEEPER + "\nwhile True: signal.pause()\n"
)
# Listens at once, but answers only after its first visitor has given up.
SERVER = """
import socket, sys
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
first, _ = server.accept()
first.recv(4096)
while first.recv(4096):
    pass
while True:
    visitor, _ = server.accept()
    visitor.recv(4096)
    visitor.sendall(b"HTTP/1.1 200 OK\\r\\n\\r\\n")
    visitor.close()
"""


def is_alive(process_id):
    """Say whether a process runs; one that ended and waits to be collected does not."""
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
    """Return the process ids that a sleeper's lives wrote so far."""
    return (
        [int(line) for line in path.read_text().splitlines()] if path.exists() else []
    )


def program(name, source, *arguments):
    """Write a program as the supervisor's source names it."""
    return (
        f"Program({name!r}, {(sys.executable, '-c', source, *map(str, arguments))!r})"
    )


def server(port):
    """Write a program with an address as the supervisor's source names it."""
    command = (sys.executable, "-c", SERVER, str(port))
    return f"Program('web', {command!r}, Address('127.0.0.1', {port}, 'Portal  here'))"


@pytest.fixture
def supervise():
    """Start supervisors; whatever a test leaves running is killed after it."""
    started = []

    def start(*programs, grace=10):
        source = SUPERVISOR.format(programs=f"[{', '.join(programs)}]", grace=grace)
        process = subprocess.Popen(
            [sys.executable, "-c", source], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.terminate()  # not killed: what its children started is ended by it alone
        process.wait(DEADLINE_SECONDS)
        process.stdout.close()


def test_a_killed_child_is_started_again(supervise, tmp_path):
    ids = tmp_path / "ids"
    supervisor = supervise(program("sleeper", SLEEPER, ids))
    (first,) = until(lambda: process_ids(ids), "the first start")

    os.kill(first, signal.SIGKILL)

    until(lambda: len(process_ids(ids)) == 2, "the second start")
    assert (
        supervisor.stdout.readline()
        == "sleeper died (signal SIGKILL); it starts again in 0.02 s.\n"
    )
    assert supervisor.poll() is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_all_children_and_ends_with_status_0(
    supervise, tmp_path, number
):
    paths = [tmp_path / "one", tmp_path / "two"]
    supervisor = supervise(*(program(path.name, SLEEPER, path) for path in paths))
    until(lambda: all(process_ids(path) for path in paths), "both starts")

    supervisor.send_signal(number)
    said, _ = supervisor.communicate(timeout=DEADLINE_SECONDS)

    assert (supervisor.returncode, said) == (
        0,
        "Stopping. A second Ctrl-C stops at once.\nstopped\n",
    )
    assert [is_alive(process_ids(path)[0]) for path in paths] == [False, False]


def test_a_child_that_ignores_sigterm_is_killed_after_the_grace(supervise, tmp_path):
    ids = tmp_path / "ids"
    supervisor = supervise(program("stubborn", STUBBORN, ids), grace=0.2)
    (stubborn,) = until(lambda: process_ids(ids), "the start")

    supervisor.terminate()
    supervisor.communicate(timeout=DEADLINE_SECONDS)

    assert supervisor.returncode == 0
    assert not is_alive(stubborn)


def test_a_second_ctrl_c_does_not_wait_for_the_grace(supervise, tmp_path):
    ids = tmp_path / "ids"
    supervisor = supervise(program("stubborn", STUBBORN, ids), grace=3600)
    (stubborn,) = until(lambda: process_ids(ids), "the start")

    supervisor.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        supervisor.wait(2 * SAME_WISH_SECONDS)
    supervisor.send_signal(signal.SIGINT)
    supervisor.communicate(timeout=DEADLINE_SECONDS)

    assert supervisor.returncode == 0
    assert not is_alive(stubborn)


def test_a_child_that_goes_on_after_the_first_request_is_asked_again(
    supervise, tmp_path
):
    ids = tmp_path / "ids"
    supervisor = supervise(program("patient", PATIENT, ids), grace=3600)
    (patient,) = until(lambda: process_ids(ids), "the start")

    supervisor.terminate()
    supervisor.communicate(timeout=DEADLINE_SECONDS)

    assert supervisor.returncode == 0
    assert not is_alive(patient)


def test_what_a_quiet_program_writes_to_stdout_is_dropped(supervise, tmp_path):
    source = "import sys; print('noise', flush=True)\n" + SLEEPER
    ids = tmp_path / "ids"
    quiet = program("quiet", source, ids).removesuffix(")") + ", quiet=True)"
    supervisor = supervise(quiet)
    until(lambda: process_ids(ids), "the start")

    supervisor.terminate()
    said, _ = supervisor.communicate(timeout=DEADLINE_SECONDS)

    assert said == "Stopping. A second Ctrl-C stops at once.\nstopped\n"


def test_a_child_that_keeps_dying_stops_everything_with_status_1(supervise, tmp_path):
    ids = tmp_path / "ids"
    supervisor = supervise(
        program("sleeper", SLEEPER, ids), program("broken", "import sys; sys.exit(3)")
    )

    said, _ = supervisor.communicate(timeout=DEADLINE_SECONDS)

    assert supervisor.returncode == 1
    assert said.splitlines() == [
        "broken died (status 3); it starts again in 0.02 s.",
        "broken died (status 3); it starts again in 0.04 s.",
        "broken died (status 3); it starts again in 0.08 s.",
        "broken died (status 3); it starts again in 0.16 s.",
        "broken keeps dying (status 3): everything stops.",
        "stopped",
    ]
    assert not is_alive(process_ids(ids)[0])


def test_the_line_of_an_address_is_said_once_it_answers(supervise, free_port):
    supervisor = supervise(server(free_port))

    assert supervisor.stdout.readline() == "Portal  here\n"


def test_the_first_program_answers_before_the_others_start(
    supervise, free_port, tmp_path
):
    ids = tmp_path / "ids"

    supervisor = supervise(server(free_port), program("sleeper", SLEEPER, ids))

    assert supervisor.stdout.readline() == "Portal  here\n"
    until(lambda: process_ids(ids), "the start of the other")


def test_others_do_not_wait_for_ever_for_a_first_one_that_never_answers(
    supervise, free_port, tmp_path
):
    ids = tmp_path / "ids"
    silent = f"Program('web', {(sys.executable, '-c', 'import signal; signal.pause()')!r}, Address('127.0.0.1', {free_port}, ''))"

    supervise(silent, program("sleeper", SLEEPER, ids))

    until(lambda: process_ids(ids), "the start of the other")


@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux tells a child of its parent's end"
)
def test_children_end_when_the_supervisor_is_killed(supervise, tmp_path):
    ids = tmp_path / "ids"
    supervisor = supervise(program("sleeper", SLEEPER, ids))
    (sleeper,) = until(lambda: process_ids(ids), "the start")

    supervisor.kill()

    until(lambda: not is_alive(sleeper), "the child's end")


def test_what_a_dead_child_left_running_is_ended_before_its_next_start(
    supervise, tmp_path
):
    ids, grandchildren = tmp_path / "ids", tmp_path / "grandchildren"
    source = f"import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', {SLEEPER!r}, sys.argv[2]])\n"
    supervise(program("parent", source + SLEEPER, ids, grandchildren))
    (parent,) = until(lambda: process_ids(ids), "the start")
    (grandchild,) = until(lambda: process_ids(grandchildren), "the grandchild's start")

    os.kill(parent, signal.SIGKILL)

    until(lambda: len(process_ids(ids)) == 2, "the second start")
    until(lambda: not is_alive(grandchild), "the grandchild's end")
