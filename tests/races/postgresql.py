"""A PostgreSQL server of its own, which can be killed and started again."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg

from tests.ci_rules import program
from tests.portal.free_ports import free_port
from tests.stories.stack import START_SECONDS, within

ACCOUNT = (
    "postgres"  # runs the server if the tests run as root, which PostgreSQL refuses
)


class Server:
    """A running server; its files are in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        """Create the files, and start it."""
        self._programs = Path(str(program("postgresql"))).resolve().parent
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._port = free_port()
        self.url = f"postgres://postgres@127.0.0.1:{self._port}/postgres"
        options = "--username postgres --auth trust --encoding UTF8 --no-instructions"
        self._run("initdb", "-D", str(folder / "data"), *options.split()).wait()
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        within(START_SECONDS, self._output, self._starts)

    def kill(self) -> None:
        """Kill the server and all its children with SIGKILL."""
        assert self._process is not None
        main = self._process.pid
        listed = Path(f"/proc/{main}/task/{main}/children").read_text().split()
        for each in (main, *map(int, listed)):
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
        self._process.wait()

    def _starts(self) -> bool:
        """Start it unless it runs; a child of the killed one can delay that. Return whether it answers."""
        if self._process is None or self._process.poll() is not None:
            self._process = self._run(
                "postgres", "-D", str(self._folder / "data"),
                "-p", str(self._port), "-k", str(self._folder),
                "-c", "listen_addresses=127.0.0.1",
            )  # fmt: skip
        try:
            with psycopg.connect(self.url, connect_timeout=2):
                return True
        except psycopg.OperationalError:
            return False

    def _run(self, name: str, *arguments: str) -> "subprocess.Popen[bytes]":
        with (self._folder / "output").open("ab") as output:
            return subprocess.Popen(
                [str(self._programs / name), *arguments],
                stdout=output,
                stderr=output,
                cwd=self._folder,
                user=ACCOUNT if os.getuid() == 0 else None,
            )

    def _output(self) -> str:
        return (self._folder / "output").read_text()


@contextmanager
def postgresql() -> Iterator[Server]:
    """Run a server in a folder that its account can reach; kill it at the end."""
    folder = Path(tempfile.mkdtemp(prefix="tollgate-postgresql-"))
    if os.getuid() == 0:
        shutil.chown(folder, ACCOUNT)
    server = Server(folder)
    try:
        yield server
    finally:
        server.kill()
        shutil.rmtree(folder)
