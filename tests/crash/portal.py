"""A real portal that can be killed, started again, backed up and restored, on either database."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit

import psycopg

from tests.portal.free_ports import free_port
from tests.stories.stack import (
    OWN,
    ROOT,
    START_SECONDS,
    Stack,
    answers,
    database,
    within,
)

HOST = "echo.localhost"
# A connection that lives across the end of a month has a row in each; only the last is final.
ROWS = """
    SELECT connection_id, MIN(started_us), MAX(duration_us), SUM(bytes_from_client),
        SUM(bytes_to_client), MAX(CASE WHEN final THEN 1 ELSE 0 END)
    FROM metering_connectionusage WHERE edge = '{edge}' GROUP BY connection_id"""
DELIVERY = """
    SELECT COALESCE(SUM(requests), 0), COALESCE(SUM(bytes_from_client), 0),
        COALESCE(SUM(bytes_to_client), 0)
    FROM metering_deliveryusage WHERE edge = '{edge}'"""
CONFLICTS = "SELECT COUNT(*) FROM metering_usagedispute WHERE edge = '{edge}'"


class Row(NamedTuple):
    """A connection, as the portal counts it or as an edge has stored it."""

    connection_id: str
    started_us: int
    duration_us: int
    bytes_from_client: int
    bytes_to_client: int
    final: bool


class Portal:
    """The web server on a database of its own, and what stands in that database."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        """Furnish the database, then serve."""
        self.folder = folder
        self.environment = environment
        self.origin_port = int(environment["ECHO_PORT"])
        self.url = f"http://127.0.0.1:{environment['PORT']}"
        self._database_url = environment.get("DATABASE_URL", "")
        self._file = folder / "tollgate.sqlite3"
        self._backup = folder / "backup"
        said = self._run(sys.executable, "-m", "tests.crash.furnish").stdout
        self._credentials: dict[str, str] = json.loads(said.splitlines()[-1])
        demo = json.loads((folder / "demo.json").read_text())
        self.stack = Stack(self.url, int(environment["EDGE_PORT"]), folder, demo)
        self.start()

    def start(self) -> None:
        """Start the web server, and wait until it answers."""
        with (self.folder / "web").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "portal.web_server"],
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=log,
                process_group=0,
            )
        within(START_SECONDS, "the portal answers", lambda: answers(self.url))

    def kill(self) -> None:
        """End the web server and its workers with SIGKILL."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def next_edge(self) -> tuple[str, str]:
        """Return the name and the credential of an edge that no test has used yet."""
        return self._credentials.popitem()

    def manage(self, *words: str) -> str:
        """Run `manage.py` with some words, and return what it prints."""
        return self._run(sys.executable, "manage.py", *words).stdout

    def rows(self, edge: str) -> list[Row]:
        """Return what the portal counts of an edge's connections."""
        return [
            Row(key, *map(int, numbers), final=bool(final))
            for key, *numbers, final in self._ask(ROWS.format(edge=edge))
        ]

    def delivery(self, edge: str) -> tuple[int, int, int]:
        """Return requests and bytes of ordinary HTTP that the portal counts of an edge."""
        ((requests, sent, received),) = self._ask(DELIVERY.format(edge=edge))
        return int(requests), int(sent), int(received)

    def conflicts(self, edge: str) -> int:
        """Return how many of an edge's records are in dispute."""
        ((count,),) = self._ask(CONFLICTS.format(edge=edge))
        return int(count)

    def back_up(self) -> None:
        """Copy the database while the portal serves."""
        if self._database_url:
            self._run("pg_dump", "-Fc", "-f", str(self._backup), self._database_url)
            return
        with (
            closing(sqlite3.connect(self._file)) as live,
            closing(sqlite3.connect(self._backup)) as copy,
        ):
            live.backup(copy)

    def restore(self) -> None:
        """Put the copy in the database's place; the portal must not run. No edge is told."""
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
            path.unlink()  # the log of the database that is gone
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
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
        )


@contextmanager
def real_portal(folder: Path) -> Iterator[Portal]:
    """Run a portal in a folder, on SQLite or beside what DATABASE_URL names; end it without trace."""
    ports = {name: free_port() for name in ("PORT", "EDGE_PORT", "ECHO_PORT")}
    with database(f"tollgate_crash_{ports['PORT']}") as chosen:
        kept = {key: value for key, value in os.environ.items() if key not in OWN}
        kept.pop("DATABASE_URL", None)
        environment = kept | chosen
        environment |= {key: str(port) for key, port in ports.items()}
        environment |= {"DATA_DIR": str(folder), "LOG_LEVEL": "ERROR"}
        portal = Portal(folder, environment)
        try:
            yield portal
        finally:
            portal.kill()
