"""Usage records of old closed months are deleted, and their periods stay."""

from datetime import UTC, datetime

import pytest

from products.metering.commands import delete_old_usage
from products.metering.models import (
    ConnectionUsage,
    DeliveryUsage,
    UsageDispute,
    UsagePeriod,
)
from tests.factories.usage import connection_usage

MARCH = datetime(2026, 3, 31, 23, 59, tzinfo=UTC)
APRIL = datetime(2026, 4, 1, tzinfo=UTC)


@pytest.fixture
def used(shop, settings):
    """Return a service with usage in three closed months; one month is kept."""
    settings.USAGE_KEEP_MONTHS = 1
    for number in (1, 2, 3):
        month, at = f"2026-0{number}", datetime(2026, number, 15, tzinfo=UTC)
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


def test_records_of_old_closed_months_are_deleted_and_periods_stay(used):
    assert delete_old_usage(now=MARCH) == 2
    assert months_left() == ["2026-02", "2026-03"]

    delete_old_usage(now=APRIL)

    assert months_left() == ["2026-03"]
    assert UsagePeriod.objects.count() == 3


def test_records_are_kept_while_a_month_beside_is_not_closed(used):
    UsagePeriod.objects.filter(month="2026-03").update(is_closed=False)

    delete_old_usage(now=APRIL)

    assert months_left() == ["2026-02", "2026-03"]


def test_records_are_kept_while_a_dispute_is_open(used):
    UsageDispute.objects.create(
        kind="connection",
        record_id="c",
        month="2026-01",
        service=used.pk,
        edge="e",
        reason="start",
        reported={},
        found_at=MARCH,
        last_found_at=MARCH,
    )

    assert delete_old_usage(now=APRIL) == 0


def test_with_0_months_everything_is_kept(used, settings):
    settings.USAGE_KEEP_MONTHS = 0

    assert delete_old_usage(now=APRIL) == 0
