"""The audit trail with many entries: pages of the admin and verification, beside reading 50 rows.

`EVENTS` in the environment is their number: 100,000 by default; a million takes some minutes.
"""

import os
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from http import HTTPStatus

from django.db import connection, transaction
from django.test import Client

from accounts.actor import Actor
from accounts.audit.models import AuditEvent
from accounts.audit.queries import verify
from accounts.audit.record import NewEntry, append, index_terms, lock_head
from accounts.audit.vocabulary import Event
from accounts.change import entry_source
from accounts.models import User
from tests.factories import NOW
from tests.factories.accounts import AccountFactory

BATCH = 2000
ACCOUNTS = 20
PEOPLE = 300
TIMES = 7
KINDS = (Event.PRODUCT_ENABLED, Event.BILL_CHANGED, Event.VERSION_ACTIVATED)
LIST = "/admin/audit/auditevent/"


def fill(count: int) -> list[str]:
    """Append entries to the chains of some accounts in turn; return the accounts."""
    accounts = [
        AccountFactory.create(name=f"Customer {number}").pk
        for number in range(ACCOUNTS)
    ]
    for batch in range(count // BATCH):
        account = accounts[batch % ACCOUNTS]
        source = replace(
            entry_source(Actor.system("load-demo")),
            actor_label=f"Person {batch % PEOPLE}",
            actor_id=f"person-{batch % PEOPLE}",
            request_id=f"request-{batch:06}",
            ip="192.0.2.1" if batch % 2 else f"198.51.100.{batch % 200}",
        )
        entries = [
            NewEntry(
                event=KINDS[number % len(KINDS)],
                target_type="product" if number % 10 else "service",
                target_id="websockets" if number % 10 else f"service-{batch}-{number}",
                target_label="WebSockets" if number % 10 else f"shop-{batch}-{number}",
                product="websockets" if number % 10 else "",
                after={"number": number},
            )
            for number in range(BATCH)
        ]
        with transaction.atomic():
            head, at = lock_head(account), NOW + timedelta(seconds=batch)
            index_terms(append(head, entries, source=source, at=at))
    return accounts


def milliseconds(work: Callable[[], object]) -> float:
    """Return the median time of several runs after the first."""
    work()
    taken = []
    for _ in range(TIMES):
        began = time.perf_counter()
        work()
        taken.append((time.perf_counter() - began) * 1000)
    return statistics.median(taken)


def run() -> list[str]:
    """Measure, and return lines to print."""
    count = int(os.environ.get("EVENTS", "100000"))
    client = Client()
    client.force_login(
        User.objects.create_user("bench@example.com", name="Bench", is_staff=True)
    )
    began = time.perf_counter()
    accounts = fill(count)
    lines = [
        f"{count:,} entries appended, {count / (time.perf_counter() - began):,.0f} per second"
    ]
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    bare = milliseconds(lambda: list(AuditEvent.objects.order_by("-id")[:50]))
    lines.append(f"{'50 bare rows':34} {bare:8.1f} ms")
    for words, query in (
        ("the list", ""),
        ("one account", f"?account={accounts[3]}"),
        ("one action", "?action=bill.changed"),
        ("one product", "?product=websockets"),
        ("an account and an action", f"?account={accounts[3]}&action=product.enabled"),
        ("search: account's name", "?q=customer 5"),
        ("search: account's ID", f"?q={accounts[5]}"),
        ("search: all of one product", "?q=websock"),
        ("search: an event", "?q=bill.ch"),
        ("search: one person", "?q=person 7"),
        ("search: many names", "?q=shop-"),
        ("search: one name of many", "?q=shop-100-10"),
        ("search: a request", "?q=request-000100"),
        ("search: half of all by address", "?q=192.0.2.1"),
        ("search: start of many addresses", "?q=198.51."),
        ("search: a letter", "?q=p"),
        ("search: nothing", "?q=missing"),
        ("search in an account", f"?q=person 7&account={accounts[7]}"),
    ):
        assert client.get(LIST + query).status_code == HTTPStatus.OK
        taken = milliseconds(lambda query=query: client.get(LIST + query).content)
        lines.append(f"{words:34} {taken:8.1f} ms, {taken / bare:.1f} × the bare rows")
    began = time.perf_counter()
    results = [verify(account) for account in accounts]
    spent = time.perf_counter() - began
    assert all(result.is_valid for result in results)
    lines.append(
        f"verified {count:,} in {spent:.1f} s, {count / spent:,.0f} per second"
    )
    return lines
