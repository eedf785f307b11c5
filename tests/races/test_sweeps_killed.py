"""Fault 10 with real workers: two close months together, late and repeatedly, and are killed."""

import random
import subprocess
import sys
import time

import pytest
from django.utils import timezone

from products.billing.models import Invoice, NumberSeries
from products.catalogue.models import Plan, Product
from products.enablement.models import Enablement
from products.months import Month
from tests.factories.accounts import AccountFactory
from tests.factories.services import ServiceFactory
from tests.factories.trail import noted
from tests.factories.usage import connection_usage
from tests.races.conftest import ROOT
from tests.races.test_workers_killed import database_of, kill, start_worker

SWEEPS = (
    "products.billing.tasks.close_months",
    "products.billing.tasks.refresh_bills",
    "products.enablement.tasks.check_trials",
)
ACCOUNTS = 12
KILLS = 4
PATIENCE_SECONDS = 180
# Three days of grace are over on any day of the present month.
CLOSED = Month.at(timezone.now(), "UTC").plus(-2)


def publish(arena):
    """Hand every sweep to the broker, as the timetable does."""
    orders = "; ".join(f"app.send_task('{task}')" for task in SWEEPS)
    subprocess.run(
        [sys.executable, "-c", f"from portal.celery import app; {orders}"],
        cwd=ROOT,
        env=arena.environment | {"DJANGO_SETTINGS_MODULE": "portal.settings"},
        check=True,
    )


def accounts_with_usage():
    """Create accounts that had WebSockets and usage in a month that is over."""
    websockets = Product.objects.get(pk="websockets")
    plan = Plan.objects.get(product=websockets, kind="direct", account=None)
    start = CLOSED.starts_at("UTC")
    for _ in range(ACCOUNTS):
        account = AccountFactory.create(created_at=start)
        Enablement.objects.create(
            account=account,
            product=websockets,
            plan=plan,
            source=Enablement.Source.DIRECT,
            starts_at=start,
            started_by="Sam",
        )
        service = ServiceFactory.create(account=account)
        connection_usage(service, start, 100, month=str(CLOSED))
        yield account


def final():
    return Invoice.objects.filter(month=str(CLOSED), status=Invoice.Status.FINAL)


@pytest.mark.nightly
def test_two_workers_that_are_killed_make_one_invoice_per_account(arena):
    seed = random.randrange(10**9)
    print(f"seed {seed}")  # noqa: T201 - to run a failed schedule again
    chance = random.Random(seed)

    with database_of(arena):
        accounts = list(accounts_with_usage())
        for _ in range(KILLS):
            workers = [start_worker(arena) for _ in range(2)]
            publish(arena)
            time.sleep(chance.uniform(2, 8))
            for worker in workers:
                kill(worker)
        workers = [start_worker(arena) for _ in range(2)]
        ends_at = time.monotonic() + PATIENCE_SECONDS
        while final().count() < ACCOUNTS and time.monotonic() < ends_at:
            publish(arena)
            time.sleep(2)
        for worker in workers:
            kill(worker)

        invoices = final().order_by("number")
        assert [row.account_id for row in invoices.order_by("account_id")] == sorted(
            account.pk for account in accounts
        )
        numbers = Invoice.objects.exclude(number=None).order_by("number")
        drawn = NumberSeries.objects.get(name="invoice").last
        assert [row.number for row in numbers] == [
            f"INV-{number:06d}" for number in range(1, drawn + 1)
        ]
        for account in accounts:
            events = noted(account.pk).count("invoice.finalized")
            assert events == account.invoices.filter(number__isnull=False).count()
