"""The engines under test, each with one process or thread for traffic, on one core."""

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.edge.programs import SOURCES, require
from tests.portal.free_ports import free_port
from tests.products.edge.fake_portal import FakePortal, origin, route
from tests.products.edge.running import Edge

HOST = "bench.test"
_START_SECONDS = 20
# As in production; tests use shorter ones.
PRODUCTION_SETTINGS = (
    "--poll-seconds", "1", "--report-seconds", "5", "--tick-seconds", "5",
    "--tunnels-per-account", "100000",
)  # fmt: skip


class Target:
    """A running engine: its port, and its CPU time and memory from the kernel."""

    def __init__(self, name: str, port: int, pids: Callable[[], list[int]]) -> None:
        """Name an engine and its processes."""
        self.name = name
        self.port = port
        self._pids = pids

    def cpu_seconds(self) -> float:
        """Return the CPU time of all its threads so far."""
        spent = 0
        for pid in self._pids():
            for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
                with contextlib.suppress(OSError):
                    spent += int(task.read_text().split()[0])
        return spent / 1e9

    def memory_kib(self) -> int:
        """Return its proportional memory (PSS)."""
        whole = 0
        for pid in self._pids():
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            whole += next(int(line.split()[1]) for line in lines if line[:4] == "Pss:")
        return whole


@contextlib.contextmanager
def embedded(folder: Path, origin_port: int) -> Iterator[Target]:
    """Run the embedded engine with one worker, and its data in a folder."""
    portal = FakePortal()
    edge = Edge(portal, folder, *PRODUCTION_SETTINGS)
    try:
        edge.apply(route(HOST, origin(origin_port)))
        yield Target("embedded", edge.port, lambda: [edge.process.pid, *edge.workers()])
    finally:
        edge.kill()
        edge.stop()
        portal.close()


@contextlib.contextmanager
def haproxy(folder: Path, origin_port: int) -> Iterator[Target]:
    """Run HAProxy with one thread, logging to a file."""
    port = free_port()
    folder.mkdir()
    shutil.copy(SOURCES / "accept.lua", folder)
    (folder / "hosts.map").write_text(f"{HOST} service\n")
    (folder / "ws.map").write_text("service on\n")
    config = _filled("haproxy.cfg", folder, port, origin_port)
    command = [require("haproxy", "haproxy"), "-q", "-db", "-f", str(config)]
    yield from _running("haproxy", command, folder, port)


@contextlib.contextmanager
def nginx(folder: Path, origin_port: int) -> Iterator[Target]:
    """Run nginx with one process, logging to a file."""
    port = free_port()
    folder.mkdir()
    config = _filled("nginx.conf", folder, port, origin_port)
    command = [require("nginx", "nginx-light"), "-p", str(folder), "-c", str(config)]
    yield from _running("nginx", command, folder, port)


def _running(
    name: str, command: list[str], folder: Path, port: int
) -> Iterator[Target]:
    with (folder / "out").open("wb") as out, (folder / "err").open("wb") as errors:
        process = subprocess.Popen(command, stdout=out, stderr=errors)
        try:
            _wait_until_it_listens(process, port, folder)
            yield Target(name, port, lambda: [process.pid])
        finally:
            process.kill()
            process.wait()


def _filled(name: str, folder: Path, port: int, origin_port: int) -> Path:
    text = (SOURCES / name).read_text()
    config = folder / name
    config.write_text(text.format(folder=folder, port=port, origin=origin_port))
    return config


def _wait_until_it_listens(
    process: subprocess.Popen[bytes], port: int, folder: Path
) -> None:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        time.sleep(0.05)
    raise RuntimeError(f"it does not listen: {(folder / 'err').read_text()}")
