"""A database that several processes share: a SQLite file, or the one of DATABASE_URL."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.management import call_command
from django.db import connection

from accounts.models import Account, User
from accounts.roles import Role
from products.services.models import Service
from tests.factories.accounts import AccountFactory, actor_for, member
from tests.factories.keys import key_of
from tests.factories.services import ServiceFactory, VersionFactory
from tests.factories.world import load_catalogue

ROOT = Path(__file__).resolve().parents[2]


class Process:
    """A process of this folder that carries out orders; see `tests.races.server`."""

    def __init__(self, path: Path, words: Sequence[str]) -> None:
        """Start it."""
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self._lines = self._socket.makefile()
        self._errors = path.with_suffix(".errors")
        self.order(" ".join(words))

    def order(self, words: str) -> None:
        """Give an order."""
        self._socket.sendall(f"{words}\n".encode())

    def line(self) -> str:
        """Return the next line that it prints; fails with the error of a process that ended."""
        line = self._lines.readline()
        assert line, self._errors.read_text()
        return line

    def answer(self) -> Any:
        """Return the result of an order."""
        return json.loads(self.line())

    def end(self) -> None:
        """End its input, and wait for its end."""
        self._socket.shutdown(socket.SHUT_WR)
        self._lines.read()
        self._lines.close()
        self._socket.close()


@dataclass
class Arena:
    """An account with two superusers and a service, in a database that other processes can open."""

    account: Account
    people: Sequence[User]
    service: Service
    key: str  # a token of the first superuser
    environment: dict[str, str]
    folder: Path  # of the socket and of the error output of its processes
    _server: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def start(self, module: str, *words: str) -> Process:
        """Start a process that runs a module of this folder on the account."""
        path = self.folder / "server"
        if self._server is None:
            with path.with_suffix(".errors").open("wb") as errors:
                self._server = subprocess.Popen(
                    [sys.executable, "-m", "tests.races.server", str(path)],
                    cwd=ROOT,
                    env=self.environment,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                )
            ready = self._server.stdout.readline()
            assert ready, path.with_suffix(".errors").read_text()
        return Process(path, [module, self.account.pk, *words])

    def manage(self, *words: str) -> tuple[int, str]:
        """Run a command of `manage.py` on the database; return its exit status and what it prints."""
        process = self.start("manage", *words)
        status, printed = process.answer()
        process.end()
        return status, printed

    def result(self) -> dict[str, Any]:
        """Return what the race wrote to the database."""
        process = self.start("result")
        found: dict[str, Any] = process.answer()
        process.end()
        return found

    def stop(self) -> None:
        """End the server of its processes."""
        if self._server is not None:
            self._server.kill()
            self._server.communicate()


def order(processes: Iterable[Process], words: str) -> None:
    """Give all of them one order at the same time."""
    for each in processes:
        each.order(words)


@contextmanager
def started(processes: Iterable[Process]) -> Iterator[list[Process]]:
    """Wait until processes are ready, and end them afterwards."""
    running = list(processes)
    for each in running:
        assert each.line() == "ready\n"
    yield running
    for each in running:
        each.end()


@pytest.fixture
def arena(transactional_db, tmp_path):
    """Commit an account with two superusers, a service and a catalogue."""
    call_command("createcachetable", "portal_cache")  # of rate limits
    load_catalogue()
    acme = AccountFactory.create(name="Acme")
    people = [member(acme, name, Role.SUPERUSER) for name in ("Sam", "Sue")]
    shop = ServiceFactory.create(account=acme, name="shop")
    VersionFactory.create(service=shop, number=1)
    key = key_of(actor_for(people[0], acme))
    made = Arena(acme, people, shop, key, _environment(tmp_path), tmp_path)
    yield made
    made.stop()


def _environment(folder: Path) -> dict[str, str]:
    settings = connection.settings_dict
    name = str(settings["NAME"])
    if connection.vendor == "sqlite":
        name = _copied_to(folder)
        url = f"sqlite:///{name}"
    else:
        who = f"{settings['USER']}:{settings['PASSWORD']}"
        where = f"{settings['HOST'] or 'localhost'}:{settings['PORT'] or 5432}"
        url = f"postgres://{who}@{where}/{name}"
    own = {"DATABASE_URL": url, "DATA_DIR": str(folder)}
    return {**os.environ, **own, "ENCRYPTION_KEY": django_settings.ENCRYPTION_KEY}


def _copied_to(folder: Path) -> str:
    """Copy the tests' SQLite database into a file."""
    path = folder / "race.sqlite3"
    with connection.cursor() as cursor:
        cursor.execute("VACUUM INTO %s", [str(path)])
    return str(path)
