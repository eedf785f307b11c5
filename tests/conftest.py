"""Fixtures for all tests: the accounts, the people with their roles, and the time."""

import gc
import os
import time
from collections.abc import Callable, Generator, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.test import Client, TransactionTestCase
from hypothesis import settings as hypothesis_settings
from pytest_django import DjangoDbBlocker

from accounts.actor import Actor
from accounts.audit import triggers
from accounts.models import Account, User
from accounts.roles import Role
from accounts.triggers import registered
from products.services.models import Service
from tests.factories import NOW
from tests.factories.accounts import (
    AccountFactory,
    UserFactory,
    actor_for,
    give_access,
    member,
    staff_actor,
)
from tests.factories.name_server import NameServer, name_server
from tests.factories.services import ServiceFactory
from tests.factories.sessions import client_with_session, use_secret_cookies
from tests.memory import write_to_memory
from tests.stories.stack import prepared_demo

pytest_plugins = [
    "tests.ci_rules",
    "tests.figures",
    "tests.page_contexts",
    "tests.template_variables",
]

# On a busy machine an example may be slow. Many properties write to the database in each example;
# the nightly run has enough of them to find what is rare.
hypothesis_settings.register_profile("ci", deadline=None, max_examples=50)
hypothesis_settings.register_profile("nightly", deadline=None, max_examples=10_000)
hypothesis_settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

# Nothing that is loaded to collect the tests is garbage, and to search it takes a third of the time.
gc.disable()
write_to_memory()
# Else each of the hundreds of processes that tests start would compile the portal again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


use_secret_cookies()

FIRST = ("tests/stories/", "tests/deploy/")


@pytest.hookimpl(wrapper=True)
def pytest_xdist_auto_num_workers() -> Generator[None, int, int]:
    """Run three workers on two cores: a third of the time, tests wait for programs they started.

    A fourth takes longer to load everything, and to start programs of its own, than it saves.
    """
    cores = yield
    return cores * 3 // 2


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what starts most programs: at the end of the run, a worker would wait for it.

    All of it is in the first worker's share, so that each stack of programs is started once.
    """
    items.sort(key=lambda item: [not item.nodeid.startswith(each) for each in FIRST])


def pytest_collection_finish() -> None:
    """Collect garbage from here on, without searching what is loaded by now.

    Less often than Python would, which takes one second of fifteen.
    """
    gc.freeze()
    gc.set_threshold(10_000, 20, 100)
    gc.enable()


_flush = TransactionTestCase._fixture_teardown
# Rows that migrations create. To create them again takes longer than to empty all other tables.
_KEPT = {"auth_permission", "django_content_type"}


def _delete_rows(case: TransactionTestCase) -> None:
    """Empty the tables after a test that commits, with the triggers of these tables removed meanwhile.

    To truncate all tables, as Django does, makes PostgreSQL write hundreds of new files.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        tables = _tables_with_rows(cursor)
        sets = [triggers.TRIGGERS, *registered(connection)]
        guarded = [each for each in sets if each.table in tables]
        for each in guarded:
            each.remove(connection)
        for table in tables:
            cursor.execute(f"DELETE FROM {connection.ops.quote_name(table)}")
        connection.check_constraints()  # PostgreSQL alters no table with such checks pending
        for each in guarded:
            each.install(connection)


def _tables_with_rows(cursor: CursorWrapper) -> set[str]:
    names = connection.introspection.django_table_names(only_existing=True)
    quoted = {name: connection.ops.quote_name(name) for name in {*names} - _KEPT}
    cursor.execute(
        " UNION ALL ".join(
            f"SELECT '{name}' WHERE EXISTS (SELECT 1 FROM {table})"
            for name, table in quoted.items()
        )
    )
    return {name for (name,) in cursor.fetchall()}


@pytest.fixture(scope="session", autouse=True)
def _trail_can_be_emptied_between_tests():
    TransactionTestCase._fixture_teardown = _delete_rows
    yield
    TransactionTestCase._fixture_teardown = _flush


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    """Let no commit on PostgreSQL wait for the disk, also of the processes that tests start.

    SQLite writes to memory. Tests that kill a server have one of their own.
    """
    if connection.vendor == "postgresql":
        with django_db_blocker.unblock(), connection.cursor() as cursor:
            name = connection.ops.quote_name(connection.settings_dict["NAME"])
            cursor.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
        connection.close()  # the next one has the setting


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path | None:
    """Return a data folder with the demo, which all workers of a run share; None on PostgreSQL."""
    if connection.vendor != "sqlite":
        return None
    own = tmp_path_factory.getbasetemp()
    return prepared_demo(own if worker_id == "master" else own.parent)


@pytest.fixture
def now() -> datetime:
    """Return the time at which tests take place."""
    return NOW


@pytest.fixture
def acme(db: None) -> Account:
    """Return the account of Sam, Eve, Lin, Bo and Una."""
    return AccountFactory.create(name="Acme")


@pytest.fixture
def globex(db: None) -> Account:
    """Return another account."""
    return AccountFactory.create(name="Globex")


@pytest.fixture
def shop(acme: Account) -> Service:
    """Return Acme's service `shop`; it has no versions yet."""
    return ServiceFactory.create(account=acme, name="shop")


@pytest.fixture
def sam(acme: Account) -> Actor:
    """Return Sam, superuser of Acme."""
    return actor_for(member(acme, "Sam", Role.SUPERUSER), acme)


@pytest.fixture
def eve(acme: Account) -> Actor:
    """Return Eve, engineer of Acme on all services."""
    return actor_for(member(acme, "Eve", Role.ENGINEER), acme)


@pytest.fixture
def lin(acme: Account, shop: Service) -> Actor:
    """Return Lin, engineer of Acme, limited to the service `shop` with full access."""
    user = member(acme, "Lin", Role.ENGINEER, limit_services=True)
    give_access(user, shop)
    return actor_for(user, acme)


@pytest.fixture
def bo(acme: Account) -> Actor:
    """Return Bo, who has the role billing in Acme."""
    return actor_for(member(acme, "Bo", Role.BILLING), acme)


@pytest.fixture
def una(acme: Account) -> Actor:
    """Return Una, who has the role user in Acme."""
    return actor_for(member(acme, "Una", Role.USER), acme)


@pytest.fixture
def stan(globex: Account) -> Actor:
    """Return Stan, superuser of Globex and not a member of Acme."""
    return actor_for(member(globex, "Stan", Role.SUPERUSER), globex)


@pytest.fixture
def ada(db: None) -> Actor:
    """Return Ada, who is staff and has no account."""
    return staff_actor(UserFactory.create(name="Ada", is_staff=True, is_superuser=True))


@pytest.fixture
def browser() -> Callable[..., Client]:
    """Return a function that signs an actor in, who re-authenticated `confirmed` seconds ago."""

    def sign_in(actor: Actor, *, confirmed: float | None = 0) -> Client:
        at = None if confirmed is None else time.time() - confirmed
        return client_with_session(User.objects.get(pk=actor.user_id), at)

    return sign_in


@pytest.fixture
def staff(ada: Actor, browser: Callable[..., Client]) -> Client:
    """Return the browser of Ada, who has just confirmed who she is."""
    return browser(ada)


@pytest.fixture
def dns(settings: Any) -> Iterator[NameServer]:
    """Verify domains by DNS, with a name server that has no records."""
    with name_server() as server:
        settings.DOMAIN_VERIFICATION = "dns"
        settings.DNS_SERVERS = [server.address]
        yield server
