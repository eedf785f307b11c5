"""How long pages take with many accounts and connections, and that their queries do not grow.

`ACCOUNTS` in the environment is the number of accounts, 100,000 by default, each with a member and
a service. `CONNECTIONS` has the connections of further accounts in the running month, 0, 3,000,
9,500 and 1,000,000 by default. The time is that until the first byte in one process, without the
network and with an empty cache. The goal on PostgreSQL is a p95 of at most 150 ms. `cpu` is the
time of the process alone, so other work on the machine changes it less.
"""

import gc
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from unittest import mock

from django.core.cache import cache
from django.db import connection, reset_queries
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.actor import Actor
from accounts.audit.chain import GENESIS, canonical, event_hash
from accounts.audit.models import AuditEvent, ChainHead
from accounts.audit.vocabulary import Event
from accounts.change import recorded_change
from accounts.models import Account, Membership, User
from accounts.roles import Permission, Role
from bench.connections import fill as fill_connections
from products.catalogue.models import Product
from products.enablement.models import ServiceProduct
from products.metering.commands import rebuild_usage
from products.metering.models import DeliveryUsage, Edge
from products.months import Month
from products.services.models import Service, Version
from tests.factories import NOW
from tests.factories.accounts import AccountFactory, actor_for, member
from tests.factories.enablement import entitle
from tests.factories.services import ServiceFactory, live_version
from tests.factories.world import build_world

ACCOUNTS = int(os.environ.get("ACCOUNTS", "100000"))
AT_ONCE = 5_000
SAMPLE = 40  # accounts whose pages are measured, each once
ENTRIES = 60  # in the trail of each of these; a page shows 50
GOAL_MS = 150.0
CONNECTIONS = [
    int(each)
    for each in os.environ.get("CONNECTIONS", "0,3000,9500,1000000").split(",")
]
MONTH = Month(2026, 12)
RUNNING = datetime(2026, 12, 20, 12, tzinfo=UTC)
DERIVED = RUNNING - timedelta(minutes=5)
SERVICES = 20
MAX_SECONDS = 3 * 3600  # of a connection: one in fifteen is open at a midnight
VIEWS = 40
USAGE_PAGES = {
    "Home": "/",
    "Usage": "/usage/",
    "Products": "/products/",
    "Billing": "/billing/",
}
PAGES = {
    "Home": "/",
    "Products": "/products/",
    "Services": "/services/",
    "Entitlements": "/entitlements/",
    "Activity": "/activity/",
}
ADMIN_PAGES = {
    "Admin: accounts": "/admin/accounts/account/",
    "Admin: accounts, a name": "/admin/accounts/account/?q=Customer+{number}",
    "Admin: an account": "/admin/accounts/account/{account}/change/",
}


def run() -> Iterator[str]:
    """Yield p50, p95, the slowest and the queries of each page, with few accounts and with all."""
    if connection.vendor != "postgresql":
        yield "on PostgreSQL only: set DATABASE_URL"
        return
    world = build_world()
    yield from pages_with_usage(world.websockets)
    staff = world.people["staff"]
    few = fill(0, SAMPLE)
    before = {row.page: row.queries for row in measured(few, staff)}
    began = time.monotonic()
    fill(SAMPLE, ACCOUNTS)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    yield f"{ACCOUNTS:,} accounts in {time.monotonic() - began:.0f} s"
    yield HEADER
    for row in measured(few, staff):
        yield row.text(before[row.page], "with few accounts")


@dataclass(frozen=True, slots=True)
class Answers:
    """The milliseconds of a page, those of the process, and the queries of one answer."""

    page: str
    times: Sequence[float]
    cpu: Sequence[float]
    queries: int

    def text(self, queries: int, where: str) -> str:
        """Return the row of the table, marked if it is slow, or if it had other `queries` elsewhere."""
        p95 = percentile(self.times, 95)
        figures = [percentile(self.times, 50), p95, max(self.times)]
        marks = "" if p95 <= GOAL_MS else "  above the goal"
        marks += "" if self.queries == queries else f"  {queries} {where}"
        return (
            f"{self.page:32} {' '.join(f'{each:7.1f}' for each in figures)}"
            f" {percentile(self.cpu, 50):7.1f}    {self.queries:8}{marks}"
        )


HEADER = (
    f"{'page':32} {'p50':>7} {'p95':>7} {'max':>7} {'cpu p50':>7} ms {'queries':>8}"
)


def pages_with_usage(product: Product) -> Iterator[str]:
    """Yield the pages that show usage or costs, as superusers of accounts with more and more open them."""
    Edge.objects.update(reported_at=RUNNING, last_seen_at=RUNNING)
    people = {count: _add_usage(product, count) for count in CONNECTIONS}
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    yield HEADER
    first: dict[str, int] = {}
    with mock.patch.object(timezone, "now", return_value=RUNNING):
        clients = {count: signed_in(user) for count, user in people.items()}
        for page, path in USAGE_PAGES.items():
            for count, client in clients.items():
                row = _answers(
                    f"{page}, {count:,} connections", [(client, path)] * VIEWS
                )
                yield row.text(first.setdefault(page, row.queries), "with the first")


def _add_usage(product: Product, count: int) -> User:
    """Add an account with services and so many connections; return its superuser."""
    account = AccountFactory.create(name=f"{count:,} connections")
    user = member(account, f"Superuser {count}", Role.SUPERUSER)
    entitle(actor_for(user, account), account, product)
    services = []
    for number in range(SERVICES):
        service = ServiceFactory.create(account=account, name=f"shop-{number}")
        live_version(service, f"shop-{number}-{count}.example.com")
        ServiceProduct.objects.create(
            service=service, product=product, starts_at=NOW, started_by="Sam"
        )
        services.append(service.pk)
    _add_delivery(services)
    until = RUNNING - timedelta(seconds=MAX_SECONDS + 60)
    fill_connections(services, MONTH, until=until, count=count, seconds=MAX_SECONDS)
    rebuild_usage(account_id=account.pk, month=MONTH, now=DERIVED)
    return user


def _add_delivery(services: Sequence[str]) -> None:
    """Add ordinary HTTP in every hour until now."""
    starts_at = MONTH.starts_at("UTC")
    hours = (RUNNING - starts_at) // timedelta(hours=1)
    DeliveryUsage.objects.bulk_create(
        DeliveryUsage(
            edge="edge-1",
            instance="i",
            service=service,
            hour=starts_at + timedelta(hours=hour),
            requests=5,
            bytes_from_client=1_000,
            bytes_to_client=100_000,
        )
        for service in services
        for hour in range(hours)
    )


def measured(accounts: Sequence[Account], staff: Actor) -> Iterator[Answers]:
    """Yield the answers of each page in some accounts."""
    people = [Membership.objects.get(account=each).user for each in accounts]
    clients = [signed_in(person) for person in people]
    for name, path in PAGES.items():
        yield _answers(name, [(client, path) for client in clients])
    admin = signed_in(User.objects.get(pk=staff.user_id))
    for name, path in ADMIN_PAGES.items():
        paths = [
            path.format(account=each.pk, number=each.name.split()[-1])
            for each in accounts
        ]
        yield _answers(name, [(admin, each) for each in paths])


def signed_in(user: User) -> Client:
    """Return a client with a session of the user, whose first page is loaded."""
    client = Client()
    client.force_login(user)
    client.get("/help/")
    return client


def _answers(page: str, asked: Sequence[tuple[Client, str]]) -> Answers:
    times, cpu, queries = [], [], []
    asked[0][0].get(asked[0][1])  # compiles the templates
    gc.freeze()  # as the web server does when it has loaded
    for client, path in asked:
        cache.clear()
        began, cpu_began = time.perf_counter(), time.process_time()
        response = client.get(path)
        times.append((time.perf_counter() - began) * 1000)
        cpu.append((time.process_time() - cpu_began) * 1000)
        assert response.status_code == HTTPStatus.OK, (path, response.status_code)
    for client, path in asked[:5]:
        with CaptureQueriesContext(connection) as captured:
            client.get(path)
        queries.append(len(captured))
        reset_queries()
    # Now and then an answer saves the session, too.
    return Answers(page, times, cpu, min(queries))


def percentile(times: Sequence[float], share: int) -> float:
    """Return a percentile."""
    return sorted(times)[min(len(times) * share // 100, len(times) - 1)]


def fill(first: int, until: int) -> list[Account]:
    """Add accounts, each with a superuser, a service with a version, and an entry in its trail.

    Return the accounts if they are the first, which also get a longer trail.
    """
    added: list[Account] = []
    for start in range(first, until, AT_ONCE):
        numbers = range(start, min(start + AT_ONCE, until))
        accounts = Account.objects.bulk_create(
            Account(name=f"Customer {number}", created_at=NOW) for number in numbers
        )
        users = User.objects.bulk_create(
            User(email=f"person-{number}@example.com", name=f"Person {number}")
            for number in numbers
        )
        Membership.objects.bulk_create(
            Membership(
                account=account,
                user=user,
                role=Role.SUPERUSER,
                created_at=NOW,
                updated_at=NOW,
            )
            for account, user in zip(accounts, users, strict=True)
        )
        _add_services(accounts)
        if first == 0:
            added += accounts
            _add_entries(accounts, users)
        else:
            _add_first_entries(accounts)
    return added


def _add_services(accounts: Sequence[Account]) -> None:
    services = Service.objects.bulk_create(
        Service(account=account, name="shop", created_at=NOW, updated_at=NOW)
        for account in accounts
    )
    Version.objects.bulk_create(
        Version(service=service, number=1, created_at=NOW, updated_at=NOW)
        for service in services
    )


def _add_entries(accounts: Sequence[Account], users: Sequence[User]) -> None:
    """Add entries by the usual way, so that Activity has a whole page."""
    for account, user in zip(accounts, users, strict=True):
        actor = actor_for(user, account)
        target = ("account", account.pk, account.name)
        for number in range(ENTRIES):
            at = NOW + timedelta(minutes=number)
            with recorded_change(
                actor, Permission.ACCOUNT_CONFIGURE, on=account, now=at
            ) as trail:
                trail.note(
                    Event.ACCOUNT_RENAMED, target=target, after={"name": f"{number}"}
                )


def _add_first_entries(accounts: Sequence[Account]) -> None:
    """Add one entry to each chain, without the other tables of the trail."""
    text = canonical({"before": None, "after": None})
    digest = event_hash(GENESIS, text)
    AuditEvent.objects.bulk_create(
        AuditEvent(
            account_id=account.pk,
            sequence=1,
            at=NOW,
            action=Event.ACCOUNT_CREATED,
            actor_type="system",
            actor_id="create-account",
            actor_label="Tollgate",
            interface="command",
            target_type="account",
            target_id=account.pk,
            target_label=account.name,
            outcome="done",
            canonical=text,
            prev_hash=GENESIS,
            event_hash=digest,
        )
        for account in accounts
    )
    ChainHead.objects.bulk_create(
        ChainHead(account_id=account.pk, sequence=1, event_hash=digest, at=NOW)
        for account in accounts
    )
