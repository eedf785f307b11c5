"""Closing a month of many connections, beside a bare SQL sum over the same rows; and rating alone.

`CONNECTIONS` in the environment is their number, 1,000,000 by default; half of them last two
minutes. `PAGES=0` leaves out the periods, the pages and the check. The goal on two cores and
PostgreSQL: 10,000,000 in under five minutes, in less than 500 MB of memory.
"""

import os
import resource
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http import HTTPStatus
from statistics import median
from unittest import mock

from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.actor import Actor
from accounts.models import Account, User
from bench.connections import fill
from products.billing.commands import finalize_invoice, refresh_bill
from products.billing.queries.invoices import invoice_check
from products.billing.rating import rate
from products.catalogue.tiers import PriceTier, TieredPrice
from products.metering.commands.periods import rebuild_usage
from products.months import Month
from tests.factories.services import ServiceFactory
from tests.factories.world import BACKEND, build_world

MONTH = Month(2026, 12)
CLOSED = datetime(2027, 1, 5, tzinfo=UTC)
RUNNING = datetime(2026, 12, 20, tzinfo=UTC)
SERVICES = 100
PAGES = ("billing", "usage", "home", "products")
VIEWS = 5
RATED = 200_000
LADDER = TieredPrice(
    tiers=(
        PriceTier(10, 6 * 10**8),
        PriceTier(100, 5 * 10**8),
        PriceTier(None, 4 * 10**8),
    )
)
FLOOR = """
SELECT sum((duration_us + 59999999) / 60000000), sum(bytes_from_client + bytes_to_client)
FROM metering_connectionusage WHERE month = '2026-12'"""


def run() -> Iterator[str]:
    """Fill a month, close it and print how long each step takes."""
    count = int(os.environ.get("CONNECTIONS", "1000000"))
    world = build_world()
    account = world.acme
    services = [
        ServiceFactory.create(account=account, name=f"s{number}").pk
        for number in range(SERVICES)
    ]
    fill(services, MONTH, until=MONTH.ends_at("UTC"), count=count, seconds=2)
    yield f"{count:,} connections of {SERVICES} services"
    floor, _ = timed(scan)
    yield f"floor: one bare SQL sum {floor:.1f} s"
    has_pages = os.environ.get("PAGES", "1") != "0"
    if has_pages:
        seconds, _ = timed(
            lambda: rebuild_usage(account_id=account.pk, month=MONTH, now=RUNNING)
        )
        yield f"derive all periods (the sweep of metering) {seconds:.1f} s ({seconds / floor:.1f} times the floor)"
        seconds, _ = timed(lambda: refresh_bill(account, now=RUNNING))
        yield f"running bill from periods {seconds * 1000:.0f} ms"
        yield from pages(world.people["superuser"].user_id, floor)
    seconds, invoice = timed(lambda: close(account))
    yield f"close: {invoice} of {invoice.subtotal} {seconds:.1f} s ({seconds / floor:.1f} times the floor)"
    if has_pages:
        seconds, found = timed(lambda: invoice_check(invoice, CLOSED))
        yield f"check the invoice {seconds:.1f} s, {len(found.differences)} differences"
    yield f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB"
    yield f"rating of three tiers {RATED / rating_seconds():,.0f} lines per second of CPU time"


def pages(user_id: str, floor: float) -> Iterator[str]:
    """Time the pages that show usage or costs as a superuser opens them; the first view fills the caches."""
    client = Client()
    with mock.patch.object(timezone, "now", return_value=RUNNING):
        client.force_login(User.objects.get(pk=user_id), BACKEND)
        for name in PAGES:
            url = reverse(name)
            first, answer = timed(lambda url=url: client.get(url))
            if answer.status_code != HTTPStatus.OK:
                raise RuntimeError(f"{url} answered {answer.status_code}")
            views = [timed(lambda url=url: client.get(url))[0] for _ in range(VIEWS)]
            yield (
                f"page {url} {median(views) * 1000:.0f} ms, the first time {first * 1000:.0f} ms"
                f" ({median(views) / floor:.2f} times the floor)"
            )


def rating_seconds() -> float:
    """Return the CPU time of rating alone; other work on the machine does not count."""
    began = time.process_time()
    for _ in range(RATED):
        rate(LADDER, 123_456_789)
    return time.process_time() - began


def timed(work: Callable[[], object]):
    """Return how many seconds some work took, and what it returned."""
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result


def scan() -> None:
    """Run the bare sum."""
    with connection.cursor() as cursor:
        cursor.execute(FLOOR)
        cursor.fetchall()


def close(account: Account):
    """Make the invoice final."""
    job = Actor.system("bill-accounts")
    return finalize_invoice(job, account=account, month=MONTH, now=CLOSED)
