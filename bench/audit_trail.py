"""The audit trail with many entries: pages of the admin and verification, beside reading 50 rows.

`EVENTS` in the environment is their number: 100,000 by default; a million takes some minutes.
"""

import os
import statistics
import time
from collections.abc import Callable
from datetime import timedelta
from http import HTTPStatus

from django.db import connection, transaction
from django.test import Client

from accounts.actor import Actor
from accounts.audit.models import AuditEvent
from accounts.audit.queries import verify
from accounts.audit.record import NewEntry, append, lock_head
from accounts.audit.vocabulary import Event
from accounts.change import entry_source
from accounts.ids import new_id
from accounts.models import User
from tests.factories import NOW

BATCH = 2000
ACCOUNTS = 20
TIMES = 7
KINDS = (Event.PRODUCT_ENABLED, Event.BILL_CHANGED, Event.VERSION_ACTIVATED)
LIST = "/admin/audit/auditevent/"


def fill(count: int) -> list[str]:
    """Append entries to the chains of some accounts in turn; return the accounts."""
    accounts = [new_id() for _ in range(ACCOUNTS)]
    source = entry_source(Actor.system("load-demo"))
    for batch in range(count // BATCH):
        account = accounts[batch % ACCOUNTS]
        entries = [
            NewEntry(
                event=KINDS[number % len(KINDS)],
                target_type="product",
                target_id="websockets",
                target_label="WebSockets",
                product="websockets",
                after={"number": number},
            )
            for number in range(BATCH)
        ]
        with transaction.atomic():
            lock_head(account)
            append(account, entries, source=source, at=NOW + timedelta(seconds=batch))
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
    began = time.perf_counter()
    accounts = fill(count)
    lines = [
        f"{count:,} entries appended, {count / (time.perf_counter() - began):,.0f} per second"
    ]
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    client = Client()
    client.force_login(
        User.objects.create_superuser("bench@example.com", "x" * 20, name="Bench"),
        backend="django.contrib.auth.backends.ModelBackend",
    )
    bare = milliseconds(lambda: list(AuditEvent.objects.order_by("-id")[:50]))
    lines.append(f"{'50 bare rows':34} {bare:8.1f} ms")
    for words, query in (
        ("the list", ""),
        ("one account", f"?account={accounts[3]}"),
        ("one action", "?action=bill.changed"),
        ("one product", "?product=websockets"),
        ("an account and an action", f"?account={accounts[3]}&action=product.enabled"),
        ("a search that finds", f"?q={accounts[5]}"),
        ("a search that finds nothing", "?q=missing"),
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
