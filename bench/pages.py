"""How long pages take with many accounts, on PostgreSQL, and that their queries do not grow.

`ACCOUNTS` in the environment is the number of accounts, 100,000 by default, each with a member and
a service. The time is that until the first byte in one process, without the network. The goal is
a p95 of at most 150 ms.
"""

import os
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from http import HTTPStatus

from django.db import connection, reset_queries
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.actor import Actor
from accounts.audit.chain import GENESIS, canonical, event_hash
from accounts.audit.models import AuditEvent, ChainHead
from accounts.audit.vocabulary import Event
from accounts.change import recorded_change
from accounts.models import Account, Membership, User
from accounts.roles import Permission, Role
from products.services.models import Service, Version
from tests.factories import NOW
from tests.factories.accounts import actor_for
from tests.factories.world import build_world

ACCOUNTS = int(os.environ.get("ACCOUNTS", "100000"))
AT_ONCE = 5_000
SAMPLE = 40  # accounts whose pages are measured, each once
ENTRIES = 60  # in the trail of each of these; a page shows 50
GOAL_MS = 150.0
BACKEND = "django.contrib.auth.backends.ModelBackend"
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
    staff = build_world().people["staff"]
    few = fill(0, SAMPLE)
    before = {name: queries for name, _, queries in measured(few, staff)}
    began = time.monotonic()
    fill(SAMPLE, ACCOUNTS)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    yield f"{ACCOUNTS:,} accounts in {time.monotonic() - began:.0f} s"
    yield f"{'page':26} {'p50':>7} {'p95':>7} {'max':>7} ms {'queries':>8}"
    for name, times, queries in measured(few, staff):
        p50, p95 = percentile(times, 50), percentile(times, 95)
        marks = "" if p95 <= GOAL_MS else "  above the goal"
        marks += (
            "" if queries == before[name] else f"  {before[name]} with few accounts"
        )
        yield f"{name:26} {p50:7.1f} {p95:7.1f} {max(times):7.1f}    {queries:8}{marks}"


def measured(
    accounts: Sequence[Account], staff: Actor
) -> Iterator[tuple[str, list[float], int]]:
    """Yield each page with its milliseconds in some accounts, and the most queries of one."""
    people = [Membership.objects.get(account=each).user for each in accounts]
    clients = [signed_in(person) for person in people]
    for name, path in PAGES.items():
        yield name, *_answers([(client, path) for client in clients])
    admin = signed_in(User.objects.get(pk=staff.user_id))
    for name, path in ADMIN_PAGES.items():
        paths = [
            path.format(account=each.pk, number=each.name.split()[-1])
            for each in accounts
        ]
        yield name, *_answers([(admin, each) for each in paths])


def signed_in(user: User) -> Client:
    """Return a client with a session of the user, whose first page is loaded."""
    client = Client()
    client.force_login(user, BACKEND)
    client.get("/help/")
    return client


def _answers(asked: Sequence[tuple[Client, str]]) -> tuple[list[float], int]:
    times, queries = [], 0
    asked[0][0].get(asked[0][1])  # compiles the templates
    for client, path in asked:
        began = time.perf_counter()
        response = client.get(path)
        times.append((time.perf_counter() - began) * 1000)
        assert response.status_code == HTTPStatus.OK, (path, response.status_code)
    for client, path in asked[:5]:
        with CaptureQueriesContext(connection) as captured:
            client.get(path)
        queries = max(queries, len(captured))
        reset_queries()
    return times, queries


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
