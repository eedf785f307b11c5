"""Compiles the origin and the load generator, and runs them on one core."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SOURCES = Path(__file__).parent
_SECONDS_TO_START = 60


def require(program: str, package: str) -> str:
    """Return a program's path, or exit with the command that installs it."""
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/bin")
    if found is None:
        sys.exit(
            f"{program} is missing; install it with: sudo apt-get install {package}"
        )
    return found


@contextlib.contextmanager
def on_core(core: int) -> Iterator[None]:
    """Run the processes that the block starts on one core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def compiled(name: str, folder: Path) -> str:
    """Compile one of the C programs beside this file into a folder."""
    program = folder / name
    source = SOURCES / f"{name}.c"
    subprocess.run(
        [require("gcc", "gcc"), "-O2", "-Wall", "-o", str(program), str(source)],
        check=True,
    )
    return str(program)


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one run of the load generator."""

    operations: int
    seconds: float
    errors: int
    p50_us: float
    p99_us: float

    @property
    def rate(self) -> float:
        """Operations per second."""
        return self.operations / self.seconds


class Load:
    """One run of the load generator, with its connections open."""

    def __init__(
        self, program: str, mode: str, port: int, connections: int, seconds: float = 0
    ) -> None:
        """Open the connections; nothing is measured yet. Raises RuntimeError."""
        self._process = subprocess.Popen(
            [program, mode, str(port), str(connections), str(seconds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        if self._process.stdout.readline() != "ready\n":
            self._process.kill()
            raise RuntimeError(f"{mode} could not open {connections} connections")

    def run(self) -> Result:
        """Measure, close all connections, and return the result."""
        try:
            out, _ = self._process.communicate("go\n", timeout=_SECONDS_TO_START)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise
        if self._process.returncode:
            raise RuntimeError("the load generator failed")
        words = out.split()
        return Result(
            int(words[0]), float(words[1]), int(words[2]), *map(float, words[3:])
        )


def start_origin(program: str) -> tuple[subprocess.Popen[bytes], int]:
    """Start the origin; return its process and port."""
    process = subprocess.Popen([program], stdout=subprocess.PIPE)
    assert process.stdout is not None
    return process, int(process.stdout.readline())
