"""Keeps programs running: starts them, restarts what dies, stops all of them together."""

import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import FrameType, TracebackType
from typing import Final, Self

from portal.children import kill_group, spawn
from portal.restarts import Restarts

TICK_SECONDS: Final = 0.05  # how often an address is tried that does not answer yet
# The first program's, until it answers: somebody waits for its page.
HEAD_START_SECONDS: Final = 3.0
# Between two requests to end; the edge takes the second as the end of its patience with tunnels.
ASK_AGAIN_SECONDS: Final = 3.0
# make(1) passes a signal on that the terminal has also sent: within this time it is one wish.
SAME_WISH_SECONDS: Final = 0.5
STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Address:
    """Where a program answers, and the line that says so once it does."""

    host: str
    port: int
    line: str

    def answers(self) -> bool:
        """Say whether an HTTP server answers there, whatever it says; waits half a second."""
        question = f"HEAD / HTTP/1.1\r\nHost: {self.host}\r\nConnection: close\r\n\r\n"
        try:
            with socket.create_connection(
                (self.host, self.port), timeout=0.5
            ) as connection:
                connection.sendall(question.encode())
                return connection.recv(1) != b""
        except OSError:
            return False


@dataclass(frozen=True, slots=True)
class Program:
    """A program to keep running."""

    name: str
    command: Sequence[str]
    address: Address | None = None
    quiet: bool = False  # its stdout repeats what the supervisor says


@dataclass(slots=True)
class _Kept:
    """A program with what happened to it so far; times are of the monotonic clock."""

    program: Program
    restarts: Restarts
    announced: bool = False
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    due_at: float = 0.0


class Supervisor:
    """Runs programs until a signal comes or one of them keeps dying.

    A context manager: it takes the signals over on the way in, and on the way out stops whatever
    runs and gives the signals back.
    """

    def __init__(
        self,
        programs: Sequence[Program],
        *,
        say: Callable[[str], None],
        environment: Mapping[str, str],
        grace_seconds: float = 10.0,
        first_delay_seconds: float = 1.0,
    ) -> None:
        """Keep what to run; `say` is given one line at a time."""
        self._kept = [
            _Kept(program, Restarts(first_delay_seconds)) for program in programs
        ]
        self._say = say
        self._environment = environment
        self._grace_seconds = grace_seconds
        self._asked_at: float | None = None
        self._impatient = False
        self._before: dict[int, object] = {}

    def __enter__(self) -> Self:
        """Take the signals over."""
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
                self._before[number] = signal.signal(number, self._on_signal)
        self._before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda *_: None)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop what runs and give the signals back."""
        self._stop()
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal() returned
        signal.set_wakeup_fd(self._wakeup_before)
        os.close(self._wake_read)
        os.close(self._wake_write)

    def run(self) -> int:
        """Keep all programs running; return 0 after a signal, 1 when one kept dying."""
        while self._asked_at is None:
            now = time.monotonic()
            if not all(self._reap(kept, now) for kept in self._kept):
                return 1
            for kept in self._startable(now):
                self._start_if_due(kept, now)
                self._announce(kept)
            self._wait(self._idle_seconds(time.monotonic()))
        return 0

    def _startable(self, now: float) -> Sequence[_Kept]:
        """Return the programs whose turn has come: the first has the machine to itself at first."""
        first = self._kept[0]
        alone = first.program.address is not None and not first.announced
        if alone and (
            first.process is None or now - first.started_at < HEAD_START_SECONDS
        ):
            return self._kept[:1]
        return self._kept

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._asked_at is None:
            self._asked_at = now
        elif now - self._asked_at > SAME_WISH_SECONDS:
            self._impatient = True

    def _reap(self, kept: _Kept, now: float) -> bool:
        """Note a death and when to start again; return False when it is time to give up."""
        if kept.process is None or kept.process.poll() is None:
            return True
        status = kept.process.returncode
        kill_group(kept.process.pid)
        kept.process = None
        delay = kept.restarts.after_death(started_at=kept.started_at, died_at=now)
        name = kept.program.name
        if delay is None:
            self._say(f"{name} keeps dying ({_cause(status)}): everything stops.")
            return False
        self._say(f"{name} died ({_cause(status)}); it starts again in {delay:g} s.")
        kept.due_at = now + delay
        return True

    def _start_if_due(self, kept: _Kept, now: float) -> None:
        if kept.process is None and now >= kept.due_at:
            kept.process = spawn(
                kept.program.command, self._environment, quiet=kept.program.quiet
            )
            kept.started_at = now

    def _announce(self, kept: _Kept) -> None:
        address = kept.program.address
        if address is None or kept.announced or kept.process is None:
            return
        if address.answers():
            kept.announced = True
            self._say(address.line)

    def _idle_seconds(self, now: float) -> float | None:
        """Return how long nothing needs doing; None for as long as nothing happens."""
        if any(kept.program.address and not kept.announced for kept in self._kept):
            return TICK_SECONDS
        due = [kept.due_at - now for kept in self._kept if kept.process is None]
        return max(0.0, min(due)) if due else None

    def _wait(self, seconds: float | None) -> None:
        select.select([self._wake_read], [], [], seconds)
        with suppress(BlockingIOError):
            os.read(self._wake_read, 4096)

    def _stop(self) -> None:
        """Ask all programs to end; kill what is left after the grace or at a second signal."""
        running = [kept.process for kept in self._kept if kept.process is not None]
        if self._asked_at is not None:
            self._say("Stopping. A second Ctrl-C stops at once.")
        began_at = time.monotonic()
        asked_times = 0
        while any(process.poll() is None for process in running):
            passed = time.monotonic() - began_at
            if passed >= self._grace_seconds or self._impatient:
                break
            if passed >= asked_times * ASK_AGAIN_SECONDS:
                asked_times += 1
                for process in running:
                    process.terminate()
            next_at = min(asked_times * ASK_AGAIN_SECONDS, self._grace_seconds)
            self._wait(max(0.0, next_at - passed))
        for process in running:
            kill_group(process.pid)
            process.wait()


def _cause(status: int) -> str:
    """Say how a process ended, from its return code."""
    return (
        f"signal {signal.Signals(-status).name}" if status < 0 else f"status {status}"
    )
