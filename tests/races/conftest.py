"""A database that several processes share: a SQLite file, or the one of DATABASE_URL."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
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

Process = subprocess.Popen[str]
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Arena:
    """An account with two superusers and a service, in a database that other processes can open."""

    account: Account
    people: Sequence[User]
    service: Service
    key: str  # a token of the first superuser
    environment: dict[str, str]

    def start(self, module: str, *words: str) -> Process:
        """Start a process of this folder that carries out orders on the account."""
        return subprocess.Popen(
            [sys.executable, "-m", f"tests.races.{module}", self.account.pk, *words],
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def order(processes: list[Process], words: str) -> None:
    """Give all of them one order at the same time."""
    for each in processes:
        each.stdin.write(f"{words}\n")
    for each in processes:
        each.stdin.flush()


def answer(process: Process) -> Any:
    """Return the result of an order; fails with the error of a process that ended."""
    line = process.stdout.readline()
    assert line, process.stderr.read()
    return json.loads(line)


def result_of(arena: Arena) -> dict[str, Any]:
    """Return what the race wrote to the database."""
    result = subprocess.run(
        [sys.executable, "-m", "tests.races.result", arena.account.pk],
        cwd=ROOT,
        env=arena.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(result.stdout)
    return found


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
    return Arena(acme, people, shop, key, _environment(tmp_path))


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
