"""A real portal that can be killed, restarted, backed up and restored, on either database."""

import copy
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit, urlunsplit

import psycopg

from tests.portal.free_ports import free_port
from tests.portal.waiting import stop
from tests.stories.stack import (
    OWN,
    ROOT,
    START_SECONDS,
    Stack,
    answers,
    copy_demo,
    database,
    within,
)

HOST = "echo.localhost"
# A connection that is open at the end of a month has a row in both months; the last is final.
ROWS = """
    SELECT connection_id, MIN(started_us), MAX(duration_us), SUM(bytes_from_client),
        SUM(bytes_to_client), MAX(CASE WHEN final THEN 1 ELSE 0 END)
    FROM metering_connectionusage WHERE edge = '{edge}' GROUP BY connection_id"""
DELIVERY = """
    SELECT COALESCE(SUM(requests), 0), COALESCE(SUM(bytes_from_client), 0),
        COALESCE(SUM(bytes_to_client), 0)
    FROM metering_deliveryusage WHERE edge = '{edge}'"""
CHANGES = "SELECT canonical FROM audit_auditevent WHERE action = 'service.updated'"
DISPUTES = "SELECT COUNT(*) FROM metering_usagedispute WHERE edge = '{edge}'"


class Row(NamedTuple):
    """A connection, as the portal or an edge's usage store has it."""

    connection_id: str
    started_us: int
    duration_us: int
    bytes_from_client: int
    bytes_to_client: int
    final: bool


class Portal:
    """The web server on a database of its own, and queries of that database."""

    code = ROOT  # where its programs are
    program = "portal.web_server"

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        """Prepare the database and start the web server."""
        self.folder = folder
        self.environment = environment
        self.origin_port = int(environment["ECHO_PORT"])
        self.url = f"http://127.0.0.1:{environment['PORT']}"
        self._database_url = environment.get("DATABASE_URL", "")
        self._file = folder / "tollgate.sqlite3"
        self._backup = folder / "backup"
        printed = self._run(sys.executable, "-m", "tests.crash.prepare_database").stdout
        self._credentials: dict[str, str] = json.loads(printed.splitlines()[-1])
        demo = json.loads((folder / "demo.json").read_text())
        edge_port = int(environment["EDGE_PORT"])
        self.stack = Stack(self.url, edge_port, folder, demo, environment)
        self.start()

    def start(self) -> None:
        """Start the web server, and wait until it answers."""
        with (self.folder / "web").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", self.program],
                cwd=self.code,
                env=self.environment,
                stdout=log,
                stderr=log,
                process_group=0,
            )
        within(START_SECONDS, "the portal answers", lambda: answers(self.url))

    def kill(self) -> None:
        """Kill the web server and its workers with SIGKILL."""
        with suppress(ProcessLookupError):  # it was stopped before
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(60)

    def stop(self) -> None:
        """Stop the web server with SIGTERM, and wait until it has ended."""
        stop(self.process)

    @contextmanager
    def beside(self, folder: Path, code: Path) -> Iterator[Self]:
        """Run a web server of other code on the same database, with the same secrets."""
        other = copy.copy(self)
        other.folder, other.code = folder, code
        shutil.copytree(self.folder / "secrets", folder / "secrets")
        port = str(free_port())
        url = self._database_url or f"sqlite:///{self._file}"
        other.environment = self.environment | {
            "DATABASE_URL": url, "DATA_DIR": str(folder), "PORT": port
        }  # fmt: skip
        other.url = f"http://127.0.0.1:{port}"
        other.stack = replace(
            self.stack, portal=other.url, environment=other.environment
        )
        other.start()
        try:
            yield other
        finally:
            other.kill()

    def next_edge(self) -> tuple[str, str]:
        """Return the name and the credential of an edge that no test has used."""
        return self._credentials.popitem()

    def manage(self, *words: str) -> str:
        """Run `manage.py` with some arguments, and return what it prints."""
        return self._run(sys.executable, "manage.py", *words).stdout

    def rows(self, edge: str) -> list[Row]:
        """Return the connections that the portal has of an edge."""
        return [
            Row(key, *map(int, numbers), final=bool(final))
            for key, *numbers, final in self._ask(ROWS.format(edge=edge))
        ]

    def delivery(self, edge: str) -> tuple[int, int, int]:
        """Return requests and bytes of the ordinary requests that the portal has of an edge."""
        ((requests, sent, received),) = self._ask(DELIVERY.format(edge=edge))
        return int(requests), int(sent), int(received)

    def disputes(self, edge: str) -> int:
        """Return how many of an edge's records are in dispute."""
        ((count,),) = self._ask(DISPUTES.format(edge=edge))
        return int(count)

    def comments(self) -> list[str]:
        """Return the comments that services were given, as the audit trail has them."""
        bodies = [json.loads(text) for (text,) in self._ask(CHANGES)]
        return [str(body["after"]["comment"]) for body in bodies]

    def back_up(self) -> None:
        """Copy the database while the portal runs."""
        if self._database_url:
            self._run("pg_dump", "-Fc", "-f", str(self._backup), self._database_url)
            return
        with (
            closing(sqlite3.connect(self._file)) as live,
            closing(sqlite3.connect(self._backup)) as copy,
        ):
            live.backup(copy)

    def restore(self) -> None:
        """Replace the database by the copy; the portal must not run. Edges are not informed."""
        if self._database_url:
            maintenance = urlunsplit(
                urlsplit(self._database_url)._replace(path="/postgres")
            )
            name = urlsplit(self._database_url).path.removeprefix("/")
            with psycopg.connect(maintenance, autocommit=True) as connection:
                connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
                connection.execute(f'CREATE DATABASE "{name}"')
            self._run("pg_restore", "-d", self._database_url, str(self._backup))
            return
        for path in self.folder.glob(self._file.name + "-*"):
            path.unlink()  # the write-ahead log of the replaced database
        self._backup.replace(self._file)

    def _ask(self, sql: str) -> Sequence[Sequence[Any]]:
        if self._database_url:
            with psycopg.connect(self._database_url) as connection:
                return connection.execute(sql).fetchall()
        with closing(sqlite3.connect(self._file, timeout=20)) as connection:
            return connection.execute(sql).fetchall()

    def _run(self, *command: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            command,
            cwd=self.code,
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=600,
        )


@contextmanager
def real_portal(folder: Path, demo: Path | None = None) -> Iterator[Portal]:
    """Run a portal in a folder, on SQLite or on the server of DATABASE_URL; kill it at the end.

    It starts with a copy of the demo, or loads it itself.
    """
    ports = {name: free_port() for name in ("PORT", "EDGE_PORT", "ECHO_PORT")}
    with database(f"tollgate_crash_{ports['PORT']}") as chosen:
        kept = {key: value for key, value in os.environ.items() if key not in OWN}
        kept.pop("DATABASE_URL", None)
        environment = kept | chosen
        environment |= {key: str(port) for key, port in ports.items()}
        environment |= {"DATA_DIR": str(folder), "LOG_LEVEL": "ERROR"}
        copy_demo(demo, folder, environment["ECHO_PORT"])
        portal = Portal(folder, environment)
        try:
            yield portal
        finally:
            portal.kill()
