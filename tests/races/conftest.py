"""A database that several processes share: a SQLite file, or the one of DATABASE_URL."""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.db import connection

from accounts.models import Account, User
from accounts.roles import Role
from tests.factories.accounts import AccountFactory, member
from tests.factories.world import load_catalogue

Process = subprocess.Popen[str]
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Arena:
    """An account with two superusers, in a database that other processes can open."""

    account: Account
    people: Sequence[User]
    environment: dict[str, str]

    def toggler(self, person: User) -> Process:
        """Start a process that enables and disables as that person, as ordered."""
        return subprocess.Popen(
            [sys.executable, "-m", "tests.races.toggler", self.account.pk, person.pk],
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.fixture
def arena(transactional_db, tmp_path):
    """Commit an account with two superusers and a catalogue."""
    load_catalogue()
    acme = AccountFactory.create(name="Acme")
    people = [member(acme, name, Role.SUPERUSER) for name in ("Sam", "Sue")]
    return Arena(acme, people, _environment(tmp_path))


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
    return {**os.environ, "DATABASE_URL": url, "DATA_DIR": str(folder)}


def _copied_to(folder: Path) -> str:
    """Copy the tests' SQLite database into a file."""
    path = folder / "race.sqlite3"
    with connection.cursor() as cursor:
        cursor.execute("VACUUM INTO %s", [str(path)])
    return str(path)
