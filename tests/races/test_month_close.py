"""Fault 10: months roll over, and a month that is closed ten times concurrently has one invoice."""

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from accounts.actor import Actor
from accounts.models import Account
from accounts.roles import Role
from products.billing.commands import finalize_invoice
from products.billing.models import Invoice, NumberSeries
from products.catalogue.models import Product
from products.metering.minutes import minutes
from products.metering.models import ConnectionUsage
from products.months import Month
from tests.concurrency import together
from tests.factories import NOW
from tests.factories.accounts import AccountFactory, actor_for, member
from tests.factories.enablement import entitle
from tests.factories.services import ServiceFactory
from tests.factories.trail import noted
from tests.factories.usage import connection_usage
from tests.factories.world import load_catalogue

JOB = Actor.system("bill-accounts")
FIRST = Month.at(NOW, "UTC")
MONTHS = 24
GRACE = timedelta(days=4)


@pytest.fixture
def accounts(transactional_db):
    """Two accounts with WebSockets and a service each."""
    load_catalogue()
    websockets = Product.objects.get(pk="websockets")
    found = [AccountFactory.create() for _ in range(2)]
    for account in found:
        sam = actor_for(member(account, f"Sam of {account}", Role.SUPERUSER), account)
        entitle(sam, account, websockets)
        ServiceFactory.create(account=account)
    return found


def finalize(account: Account, month: Month = FIRST) -> Invoice | None:
    return finalize_invoice(
        JOB, account=account, month=month, now=month.ends_at("UTC") + GRACE
    )


def test_a_month_closed_ten_times_concurrently_has_one_invoice_with_the_next_number(
    accounts,
):
    for account in accounts:
        connection_usage(account.services.get(), NOW, 20_000, month=str(FIRST))

    outcomes = together(
        *(partial(finalize, account) for account in accounts for _ in range(5))
    )

    assert {type(each) for each in outcomes} == {Invoice}
    rows = Invoice.objects.order_by("number")
    assert [row.number for row in rows] == ["INV-000001", "INV-000002"]
    assert NumberSeries.objects.get(name="invoice").last == 2
    for account in accounts:
        assert noted(account.pk).count("invoice.finalized") == 1


@pytest.mark.django_db
def test_24_months_roll_over_and_a_connections_minutes_add_up(accounts):
    account = accounts[0]
    service = account.services.get()
    start = datetime(2026, 11, 30, 23, 59, 30, tzinfo=UTC)
    months = [FIRST.plus(step) for step in range(MONTHS)]
    last = connection_usage(service, start, 0, month=str(months[-1]))
    duration = timedelta(days=669, seconds=1) // timedelta(microseconds=1)
    ConnectionUsage.objects.filter(pk=last.pk).update(duration_us=duration)

    invoices = [finalize(account, month) for month in months]

    billed = [
        sum(line.quantity for line in invoice.lines.filter(kind="usage"))
        for invoice in invoices
    ]
    assert sum(billed) == minutes(duration)
    assert len({invoice.ends_at - invoice.starts_at for invoice in invoices}) == 4
    assert [invoice.number for invoice in invoices] == [
        f"INV-{number:06d}" for number in range(1, MONTHS + 1)
    ]
    for invoice in invoices:
        amounts = invoice.lines.values_list("amount_micros", flat=True)
        assert sum(amounts) == invoice.subtotal_micros
