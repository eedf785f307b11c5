"""Usage records of old months are deleted once no bill needs them, and their periods stay."""

from datetime import UTC, datetime

import pytest

from accounts.actor import Actor
from products.billing.commands.closing import UsageDeleted, draft_invoice
from products.billing.commands.retention import delete_old_usage
from products.billing.models import Contract, Invoice, UninvoicedMonth
from products.billing.queries.invoices import invoice_check
from products.catalogue.commands import add_plan
from products.enablement.commands import start_trial
from products.metering.commands import rebuild_usage
from products.metering.models import (
    ConnectionUsage,
    DeliveryUsage,
    UsageDispute,
    UsagePeriod,
)
from products.metering.queries.periods import differences
from products.months import Month
from tests.factories.enablement import entitle
from tests.factories.usage import connection_usage
from tests.factories.world import CATALOGUE, agreed_to_trial

NOVEMBER = datetime(2026, 11, 1, tzinfo=UTC)
END_OF_DECEMBER = datetime(2026, 12, 31, 23, 59, tzinfo=UTC)
JANUARY = datetime(2027, 1, 1, tzinfo=UTC)
FEBRUARY = datetime(2027, 2, 1, tzinfo=UTC)
JOB = Actor.system("bill-accounts")


@pytest.fixture
def used(shop, settings):
    """Return a service with usage in three closed months; one month is kept."""
    settings.USAGE_KEEP_MONTHS = 1
    for number in (10, 11, 12):
        month, at = f"2026-{number}", datetime(2026, number, 15, tzinfo=UTC)
        connection_usage(shop, at, 1, month=month)
        DeliveryUsage.objects.create(
            edge="e",
            instance="i",
            service=shop.pk,
            hour=at,
            requests=1,
            bytes_from_client=1,
            bytes_to_client=1,
        )
        UsagePeriod.objects.create(
            service=shop.pk, month=month, minutes=1, as_of=at, is_closed=True
        )
    return shop


def months_left():
    connections = ConnectionUsage.objects.values_list("month", flat=True)
    delivery = DeliveryUsage.objects.values_list("hour", flat=True)
    assert sorted(connections) == sorted(f"{hour:%Y-%m}" for hour in delivery)
    return sorted(connections)


def marked():
    return sorted(UninvoicedMonth.objects.values_list("month", flat=True))


def test_records_of_old_closed_months_are_deleted_and_periods_stay(used):
    assert delete_old_usage(now=END_OF_DECEMBER) == 2
    assert months_left() == ["2026-11", "2026-12"]

    delete_old_usage(now=JANUARY)

    assert months_left() == ["2026-12"]
    assert UsagePeriod.objects.count() == 3


def test_records_are_kept_while_a_month_beside_is_not_closed(used):
    UsagePeriod.objects.filter(month="2026-12").update(is_closed=False)

    delete_old_usage(now=JANUARY)

    assert months_left() == ["2026-11", "2026-12"]


def test_records_are_kept_while_a_dispute_is_open(used):
    UsageDispute.objects.create(
        kind="connection",
        record_id="c",
        month="2026-10",
        service=used.pk,
        edge="e",
        reason="start",
        reported={},
        found_at=END_OF_DECEMBER,
        last_found_at=END_OF_DECEMBER,
    )

    assert delete_old_usage(now=JANUARY) == 0


def test_with_0_months_everything_is_kept(used, settings):
    settings.USAGE_KEEP_MONTHS = 0

    assert delete_old_usage(now=JANUARY) == 0


def draft(acme, month, status="draft"):
    """Save an invoice of a month that is not final."""
    period = Month.read(month)
    return Invoice.objects.create(
        account=acme,
        month=month,
        starts_at=period.starts_at("UTC"),
        ends_at=period.ends_at("UTC"),
        zone="UTC",
        currency="USD",
        status=status,
        counted_at=JANUARY,
    )


def finalize(invoice):
    """Make an invoice final, as it is."""
    invoice.status, invoice.number = "final", "INV-000001"
    invoice.finalized_at = JANUARY
    invoice.save()
    return invoice


@pytest.mark.parametrize("status", ["open", "draft"])
def test_records_are_kept_until_the_invoices_of_their_month_and_those_beside_are_final(
    acme, used, status
):
    waiting = draft(acme, "2026-12", status)

    delete_old_usage(now=JANUARY)
    assert months_left() == ["2026-11", "2026-12"]

    finalize(waiting)
    delete_old_usage(now=JANUARY)
    assert months_left() == ["2026-12"]


def test_records_are_kept_if_there_is_something_to_bill_and_no_invoice(
    sam, acme, used, websockets
):
    entitle(sam, acme, websockets, now=NOVEMBER)

    delete_old_usage(now=JANUARY)

    # Those of October wait for the invoice of November, of which they can be a part.
    assert months_left() == ["2026-10", "2026-11", "2026-12"]
    assert marked() == []

    delete_old_usage(now=FEBRUARY)
    assert marked() == ["2026-11"]


def test_records_are_kept_if_the_prices_do_not_fit_the_currency(
    sam, acme, used, websockets
):
    entitle(sam, acme, websockets, now=NOVEMBER)
    Contract.objects.create(
        account=acme, from_month="2026-10", currency="EUR", assigned_at=JANUARY
    )

    assert delete_old_usage(now=JANUARY) == 0


@pytest.mark.parametrize(("now", "left"), [(JANUARY, 3), (FEBRUARY, 0)])
def test_a_voided_invoice_keeps_records_while_its_month_is_invoiced_again(
    acme, used, now, left
):
    voided = finalize(draft(acme, "2026-11"))
    voided.status, voided.voided_at = "void", JANUARY
    voided.save()

    delete_old_usage(now=now)

    assert len(months_left()) == left


def test_a_running_trial_keeps_the_records_that_its_minutes_are_counted_from(
    sam, acme, used, websockets
):
    add_plan(
        CATALOGUE,
        product=websockets,
        kind="trial",
        name="WebSockets trial",
        trial_days=90,
        now=NOVEMBER,
    )
    start_trial(
        sam,
        account=acme,
        product=websockets,
        agreement=agreed_to_trial(acme, websockets),
        now=NOVEMBER,
    )
    assert delete_old_usage(now=JANUARY) == 0


def test_nothing_is_computed_from_the_records_of_a_month_that_were_deleted(acme, used):
    connection_usage(
        used, datetime(2026, 11, 30, 23, 59, tzinfo=UTC), 9, month="2026-12"
    )
    delete_old_usage(now=JANUARY)
    final = finalize(draft(acme, "2026-11"))

    with pytest.raises(UsageDeleted):
        draft_invoice(JOB, account=acme, month=Month(2026, 11), now=JANUARY)
    [difference] = invoice_check(final, JANUARY).differences
    assert difference.startswith("The usage records of its month were deleted")
    november = Month(2026, 11)
    rebuild_usage(month=november, now=JANUARY)
    assert UsagePeriod.objects.get(month="2026-11").minutes == 1
    assert not list(differences(month=november))
