"""Runs the portal's programs on one machine: starts, restarts and stops them."""

import ctypes
import errno
import fcntl
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Final, Self

from django.conf import settings

from products.backoff import MAX_DELAY_SECONDS, RestartBackoff
from products.protocol import MAX_PORT

# Between two attempts to reach an address that does not respond yet.
ANNOUNCE_INTERVAL_SECONDS: Final = 0.05
# The first program starts alone for this long, because people wait for its page.
HEAD_START_SECONDS: Final = 3.0
# From the request to stop until SIGKILL, so that Ctrl-C ends everything within 3 seconds.
STOP_SECONDS: Final = 2.5
# How long the edge then leaves its WebSockets open, so that it can still close them in order.
EDGE_DRAIN_SECONDS: Final = 1.0
# make(1) repeats a signal that the terminal has sent to both: together they count once.
SIGNAL_DEBOUNCE_SECONDS: Final = 0.5
STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PR_SET_PDEATHSIG: Final = (
    1  # prctl(2): the signal that a process gets when its parent ends
)
# Celery's warning about pickled messages, which the worker does not accept.
ROOT_WARNING: Final = "You're running the worker with superuser privileges"


class AlreadyRunningError(Exception):
    """Another supervisor uses the data folder."""


class PortInUseError(Exception):
    """A port is not free; the message names the setting that changes it."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a program listens, and the line to print when it responds."""

    host: str
    port: int
    line: str

    def responds(self) -> bool:
        """Return whether an HTTP server responds, with any status; takes up to half a second."""
        request = f"HEAD / HTTP/1.1\r\nHost: {self.host}\r\nConnection: close\r\n\r\n"
        try:
            with socket.create_connection(
                (self.host, self.port), timeout=0.5
            ) as connection:
                connection.sendall(request.encode())
                return connection.recv(1) != b""
        except OSError:
            return False


@dataclass(frozen=True, slots=True)
class Program:
    """A program to keep running."""

    name: str
    command: Sequence[str]
    address: Address | None = None
    quiet: bool = False  # drop its standard output, which repeats what is printed here


@contextmanager
def data_dir_lock(folder: Path) -> Iterator[None]:
    """Lock the data folder for this process. Raises AlreadyRunningError if it is locked."""
    with (folder / "run.lock").open("w", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AlreadyRunningError(
                f"Tollgate is already running with {folder}. "
                "Stop it, or set DATA_DIR to another folder."
            ) from error
        yield


def require_free_ports(ports: Mapping[str, int]) -> None:
    """Raise PortInUseError unless all ports are free; the keys are the names of the settings."""
    chosen: dict[int, str] = {}
    for variable, port in ports.items():
        if port in chosen:
            raise PortInUseError(
                f"{chosen[port]} and {variable} are both {port}. Set one to another port."
            )
        chosen[port] = variable
        _require_free(variable, port)


def _require_free(variable: str, port: int) -> None:
    with socket.socket() as probe:
        # As servers do: a connection in TIME_WAIT does not keep the port in use.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.LISTEN_HOST, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                reason = "is in use by another program"
            else:
                reason = f"cannot be used ({error.strerror})"
            other = port + 1000 if port + 1000 <= MAX_PORT else port - 1000
            raise PortInUseError(
                f"Port {port} {reason}. "
                f"Set {variable} to another port, e.g. make run {variable}={other}."
            ) from error


def all_programs() -> list[Program]:
    """Return what `manage.py run` keeps running, in the order of starting."""
    has_demo = (settings.DATA_DIR / "demo.json").exists()
    demo = [echo_origin()] if has_demo else []
    return [web(), edge(), *demo, worker()]


def web() -> Program:
    """Return the web server."""
    command = [sys.executable, "-m", "portal.web_server"]
    line = f"Portal  {settings.PORTAL_URL}"
    return Program("web", command, Address(settings.LISTEN_HOST, settings.PORT, line))


def edge() -> Program:
    """Return the edge, with the embedded engine."""
    manage = str(settings.BASE_DIR / "manage.py")
    drain = ["--drain-seconds", f"{EDGE_DRAIN_SECONDS:g}"]
    address = Address(
        settings.LISTEN_HOST, settings.EDGE_PORT, f"Edge    {settings.EDGE_URL}"
    )
    command = [sys.executable, manage, "edge", *drain]
    return Program("edge", command, address, quiet=True)


def echo_origin() -> Program:
    """Return the origin of the demo's service `echo`."""
    host, port = settings.LISTEN_HOST, settings.ECHO_PORT
    command = [sys.executable, "-m", "portal.echo_origin", "--port", str(port)]
    through_edge = f"http://echo.localhost:{settings.EDGE_PORT}/"
    line = f"Echo    http://{host}:{port}  (through the edge: {through_edge})"
    return Program("echo", command, Address(host, port, line))


def worker() -> Program:
    """Return the Celery worker with its scheduler.

    It runs one task at a time, in its own process: a sweep takes milliseconds, and a pool of
    processes takes two seconds to stop.
    """
    level = logging.getLevelName(logging.root.level)
    options = (
        f"-m celery --quiet --app portal.celery worker --beat --pool solo --loglevel {level} "
        "--without-gossip --without-mingle --without-heartbeat"
    )
    no_warning = ["-W", f"ignore:{ROOT_WARNING}"]
    command = [sys.executable, *no_warning, *options.split()]
    return Program("worker", command, quiet=True)


def environment_of_programs() -> dict[str, str]:
    """Return this process's environment, with the code of Tollgate importable."""
    path = [str(settings.BASE_DIR), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, path))}


def start_child(
    command: Sequence[str], environment: Mapping[str, str], *, quiet: bool = False
) -> subprocess.Popen[bytes]:
    """Start a program in a process group of its own. Raises OSError.

    It cannot read from the terminal, and Ctrl-C does not reach it. On Linux it gets SIGTERM when
    this process ends without stopping it. If it is quiet, its standard output is dropped, but not
    its standard error.
    """
    return subprocess.Popen(  # noqa: S603 - the commands are those above
        list(command),
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL if quiet else None,
        process_group=0,
        preexec_fn=_end_with_parent(),  # noqa: PLW1509 - this process has one thread
    )


def _end_with_parent() -> Callable[[], None] | None:
    """Return the function that a child runs before its program; None if not on Linux."""
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None)
    parent = os.getpid()

    def ask_for_signal() -> None:
        library.prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
        if os.getppid() != parent:  # the parent ended before the line above
            os._exit(1)

    return ask_for_signal


def kill_group(group: int) -> None:
    """Kill a program and every process that it has started in its group."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


@dataclass(slots=True)
class _ManagedProcess:
    """A program and its current process; times are of the monotonic clock."""

    program: Program
    backoff: RestartBackoff
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    start_due_at: float = 0.0
    is_announced: bool = False
    keeps_exiting: bool = False


class ProcessSupervisor:
    """Keeps programs running until a signal asks to stop; no program ends because of another.

    A context manager. Inside it handles SIGINT, SIGTERM and SIGHUP. On the way out it stops all
    programs and restores the signal handlers.
    """

    def __init__(
        self,
        programs: Sequence[Program],
        *,
        say: Callable[[str], None],
        environment: Mapping[str, str],
        stop_seconds: float = STOP_SECONDS,
        first_delay_seconds: float = 1.0,
    ) -> None:
        """Prepare to run the programs; `say` prints one line."""
        self._managed = [
            _ManagedProcess(program, RestartBackoff(first_delay_seconds))
            for program in programs
        ]
        self._say = say
        self._environment = environment
        self._stop_seconds = stop_seconds
        self._asked_to_stop_at: float | None = None
        self._stop_now = False
        self._handlers_before: dict[int, object] = {}

    def __enter__(self) -> Self:
        """Install the signal handlers."""
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self._wakeup_before = signal.set_wakeup_fd(
            self._wake_write, warn_on_full_buffer=False
        )
        for number in STOP_SIGNALS:
            by_nohup = (
                number == signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN
            )
            if not by_nohup:
                self._handlers_before[number] = signal.signal(number, self._on_signal)
        self._handlers_before[signal.SIGCHLD] = signal.signal(
            signal.SIGCHLD, lambda *_: None
        )
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        """Stop all programs and restore the signal handlers."""
        self._stop()
        signal.set_wakeup_fd(self._wakeup_before)
        for number, handler in self._handlers_before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        os.close(self._wake_read)
        os.close(self._wake_write)

    def run(self) -> None:
        """Keep all programs running until a signal asks to stop."""
        self._head_start_ends_at = time.monotonic() + HEAD_START_SECONDS
        while self._asked_to_stop_at is None:
            now = time.monotonic()
            for managed in self._managed:
                self._note_exit(managed, now)
            for managed in self._startable(now):
                self._start_if_due(managed, now)
                self._announce(managed)
            self._wait(self._idle_seconds(time.monotonic()))
        self._say("Stopping. Press Ctrl-C again to stop immediately.")

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._asked_to_stop_at is None:
            self._asked_to_stop_at = now
        elif now - self._asked_to_stop_at > SIGNAL_DEBOUNCE_SECONDS:
            self._stop_now = True

    def _startable(self, now: float) -> Sequence[_ManagedProcess]:
        """Return the programs that may run now; the first one starts alone."""
        first = self._managed[0]
        is_starting = first.program.address is not None and not first.is_announced
        is_alone = is_starting and now < self._head_start_ends_at
        return self._managed[:1] if is_alone else self._managed

    def _note_exit(self, managed: _ManagedProcess, now: float) -> None:
        if managed.process is None or managed.process.poll() is None:
            return
        kill_group(managed.process.pid)
        cause = _cause(managed.process.returncode)
        managed.process = None
        self._plan_restart(managed, cause, now)

    def _plan_restart(self, managed: _ManagedProcess, cause: str, now: float) -> None:
        delay = managed.backoff.delay_after(now - managed.started_at)
        managed.start_due_at = now + delay
        name = managed.program.name
        if delay < MAX_DELAY_SECONDS:
            managed.keeps_exiting = False
            self._say(f"{name} exited ({cause}). Restarting in {delay:g} s.")
        elif not managed.keeps_exiting:
            managed.keeps_exiting = True
            self._say(f"{name} keeps exiting ({cause}). Restarting every {delay:g} s.")

    def _start_if_due(self, managed: _ManagedProcess, now: float) -> None:
        if managed.process is not None or now < managed.start_due_at:
            return
        managed.started_at = now
        program = managed.program
        try:
            managed.process = start_child(
                program.command, self._environment, quiet=program.quiet
            )
        except OSError as error:
            self._plan_restart(managed, f"cannot start: {error.strerror}", now)

    def _announce(self, managed: _ManagedProcess) -> None:
        address = managed.program.address
        if address is None or managed.is_announced or managed.process is None:
            return
        if address.responds():
            managed.is_announced = True
            self._say(address.line)

    def _idle_seconds(self, now: float) -> float | None:
        """Return how long there is nothing to do; None if until the next signal."""
        if any(
            each.program.address and not each.is_announced for each in self._managed
        ):
            return ANNOUNCE_INTERVAL_SECONDS
        due = [
            each.start_due_at - now for each in self._managed if each.process is None
        ]
        return max(0.0, min(due)) if due else None

    def _wait(self, seconds: float | None) -> None:
        """Wait so long, or until a signal arrives; SIGCHLD is one."""
        select.select([self._wake_read], [], [], seconds)
        with suppress(BlockingIOError):
            os.read(self._wake_read, 4096)

    def _stop(self) -> None:
        """Ask all programs to exit; kill what still runs after STOP_SECONDS or a second signal.

        The first one is asked last: the edge reports the last usage to it.
        """
        deadline = time.monotonic() + self._stop_seconds
        first, others = self._managed[:1], self._managed[1:]
        self._ask_to_exit(others, deadline - self._stop_seconds / 3)
        self._ask_to_exit(first, deadline)
        for process in _processes_of(self._managed):
            kill_group(process.pid)
            process.wait()

    def _ask_to_exit(
        self, programs: Iterable[_ManagedProcess], deadline: float
    ) -> None:
        """Return when all have exited, at the deadline or at a second signal."""
        running = _processes_of(programs)
        for process in running:
            process.terminate()
        while any(process.poll() is None for process in running):
            left = deadline - time.monotonic()
            if left <= 0 or self._stop_now:
                return
            self._wait(left)


def _processes_of(
    programs: Iterable[_ManagedProcess],
) -> list["subprocess.Popen[bytes]"]:
    return [each.process for each in programs if each.process is not None]


def _cause(status: int) -> str:
    """Describe how a process ended, from its return code."""
    return (
        f"signal {signal.Signals(-status).name}" if status < 0 else f"status {status}"
    )
