"""Everything that `make run` starts: portal, worker, edge and echo origin, with the demo."""

import fcntl
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit, urlunsplit
from urllib.request import Request, urlopen

import psycopg
import pytest
from kombu import Connection
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.portal.free_ports import free_port
from tests.portal.waiting import stop

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 300.0  # on a machine that runs much else
REACH_SECONDS = 5.0  # what is enabled or disabled reaches the edge within this
GENEROUS_SECONDS = 60.0  # where a test only waits for that
# Set for the tests' own process, and not passed on.
OWN = ("DJANGO_SETTINGS_MODULE", "DATA_DIR", "SECRET_KEY", "TOKEN_PEPPER", "CI")
PREPARE = "import django; django.setup(); from portal.prepare import prepare; prepare()"
# The demo's services have their origin on the port that was set when it was loaded.
SET_PORT = """
    UPDATE services_part SET "values" = json_set("values", '$.port', ?) WHERE kind = 'backend'
"""
FoundT = TypeVar("FoundT")


@dataclass(frozen=True, slots=True)
class Stack:
    """The addresses of everything, and the demo's people and services."""

    portal: str
    edge_port: int
    data_dir: Path
    demo: Mapping[str, Any]
    environment: Mapping[str, str]

    def person(self, name: str) -> dict[str, str]:
        """Return a person's login, token and role."""
        found: dict[str, str] = self.demo["people"][name]
        return found

    def service(self, name: str) -> str:
        """Return the id of one of Acme's services."""
        key: str = self.demo["services"][name]["id"]
        return key

    def api(
        self,
        method: str,
        path: str,
        person: str = "superuser",
        body: Mapping[str, Any] | None = None,
    ) -> tuple[int, Any]:
        """Call the API with a person's token; return status and body."""
        request = Request(
            f"{self.portal}{path}",
            data=None if body is None else json.dumps(body).encode(),
            method=method,
            headers={
                "Fastly-Key": self.person(person)["token"],
                "Content-Type": "application/json",
            },
        )
        return _answer(request)

    def through_edge(self, host: str, path: str = "/") -> tuple[int, str]:
        """Send the edge an ordinary request for a host; return status and text."""
        request = Request(
            f"http://127.0.0.1:{self.edge_port}{path}", headers={"Host": host}
        )
        try:
            with urlopen(request, timeout=10) as response:
                return response.status, response.read().decode()
        except HTTPError as error:
            with error:
                return error.code, error.read().decode()

    @contextmanager
    def socket(self, host: str, **headers: str) -> Iterator[ClientConnection]:
        """Open a WebSocket through the edge; raises InvalidStatus if it is refused."""
        with connect(
            f"ws://{host}:{self.edge_port}/",
            sock=socket.create_connection(("127.0.0.1", self.edge_port), 10),
            additional_headers=headers,
            open_timeout=20,
            close_timeout=5,
        ) as opened:
            yield opened

    def refusal(self, host: str) -> tuple[int, str] | None:
        """Return status and text of the edge's refusal of a handshake; None if it accepts."""
        try:
            with self.socket(host):
                return None
        except InvalidStatus as error:
            return error.response.status_code, error.response.body.decode()


def _answer(request: Request) -> tuple[int, Any]:
    try:
        with urlopen(request, timeout=30) as response:
            return response.status, _parsed(response.read())
    except HTTPError as error:
        with error:
            return error.code, _parsed(error.read())


def _parsed(body: bytes) -> Any:
    return json.loads(body) if body else None


def within(
    seconds: float, what: str | Callable[[], str], found: Callable[[], FoundT]
) -> FoundT:
    """Poll until the result is true and return it; fail with what was expected."""
    ends = time.monotonic() + seconds
    while True:
        result = found()
        if result:
            return result
        if time.monotonic() > ends:
            missed = what if isinstance(what, str) else what()
            pytest.fail(f"not within {seconds:g} s: {missed}")
        time.sleep(0.05)


@contextmanager
def database(name: str) -> Iterator[dict[str, str]]:
    """Create a database for the stack if DATABASE_URL names PostgreSQL; else it uses SQLite."""
    url = os.environ.get("DATABASE_URL", "")
    if not url.startswith("postgres"):
        yield {}
        return
    parts = urlsplit(url)
    # The named database need not exist: the tests create another one on the same server.
    maintenance = urlunsplit(parts._replace(path="/postgres"))
    with psycopg.connect(maintenance, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    try:
        yield {"DATABASE_URL": urlunsplit(parts._replace(path=f"/{name}"))}
    finally:
        with psycopg.connect(maintenance, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@contextmanager
def queue(name: str) -> Iterator[dict[str, str]]:
    """Give the stack a queue of its own if BROKER_URL is set, and delete it at the end.

    The workers of stacks that share one would take each other's work.
    """
    url = os.environ.get("BROKER_URL", "")
    if not url:
        yield {}
        return
    try:
        yield {"BROKER_QUEUE": name}
    finally:
        with Connection(url) as connection:
            connection.default_channel.queue_delete(name)


def prepared_demo(shared: Path) -> Path:
    """Return a data folder with the demo on SQLite; the first worker that needs it prepares it."""
    demo = shared / "demo"
    with (shared / "demo.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not demo.exists():
            unfinished = shared / "unfinished_demo"
            unfinished.mkdir()
            _prepare(unfinished)
            unfinished.rename(demo)
    return demo


def _prepare(folder: Path) -> None:
    kept = {key: value for key, value in os.environ.items() if key not in OWN}
    own = {"DJANGO_SETTINGS_MODULE": "portal.settings", "DATA_DIR": str(folder)}
    subprocess.run(
        [sys.executable, "-c", PREPARE],
        cwd=ROOT,
        env=kept | own,
        stdout=subprocess.DEVNULL,
        check=True,
    )


def copy_demo(demo: Path | None, folder: Path, echo_port: str) -> None:
    """Copy a prepared demo into a data folder; without one, the portal prepares its database itself."""
    if demo is None:
        return
    shutil.copytree(demo, folder, dirs_exist_ok=True)
    with closing(sqlite3.connect(folder / "tollgate.sqlite3")) as copied, copied:
        copied.execute(SET_PORT, [int(echo_port)])


@contextmanager
def running(folder: Path, demo: Path | None) -> Iterator[Stack]:
    """Run everything in a folder, with a copy of the demo, and stop it at the end."""
    ports = {name: free_port() for name in ("PORT", "EDGE_PORT", "ECHO_PORT")}
    name = f"tollgate_story_{ports['PORT']}"
    with database(name) as chosen, queue(name) as own:
        inherited = {key: value for key, value in os.environ.items() if key not in OWN}
        environment = inherited | chosen | own
        environment |= {key: str(port) for key, port in ports.items()}
        environment |= {"DATA_DIR": str(folder), "LOG_LEVEL": "ERROR"}
        copy_demo(demo, folder, environment["ECHO_PORT"])
        log = folder / "output"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "manage.py", "run"],
                cwd=ROOT,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            yield _when_ready(process, ports, folder, log, environment)
        finally:
            stop(process, by=signal.SIGINT)


def _when_ready(
    process: "subprocess.Popen[bytes]",
    ports: Mapping[str, int],
    folder: Path,
    log: Path,
    environment: Mapping[str, str],
) -> Stack:
    portal = f"http://127.0.0.1:{ports['PORT']}"

    def ready() -> bool:
        if process.poll() is not None:
            pytest.fail(f"`manage.py run` ended: {log.read_text()}")
        return all(map(answers, (portal, f"http://127.0.0.1:{ports['ECHO_PORT']}")))

    within(START_SECONDS, "everything runs", ready)
    demo = json.loads((folder / "demo.json").read_text())
    stack = Stack(portal, ports["EDGE_PORT"], folder, demo, environment)
    host = demo["services"]["echo"]["domain"]
    within(START_SECONDS, "the edge has its routes", lambda: _routed(stack, host))
    return stack


def _routed(stack: Stack, host: str) -> bool:
    try:
        return stack.through_edge(host)[0] == 200
    except (URLError, OSError):
        return False


def answers(address: str) -> bool:
    """Tell whether an address answers with 200."""
    try:
        with urlopen(address, timeout=5) as response:
            return bool(response.status == 200)
    except (URLError, OSError):
        return False
