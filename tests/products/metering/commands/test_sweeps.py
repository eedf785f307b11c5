"""The sweep of silent connections marks them a few at a time, and never waits for a report."""

from contextlib import nullcontext
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from products.metering.commands import presume_closed, sweeps
from products.metering.models import ConnectionUsage
from tests.concurrency import together
from tests.factories import NOW
from tests.products.metering.reports import make_edge, record, take

# SQLite locks no rows, but keeps all other writers out of a transaction.
UNDER_WAY: dict[str, Any] = {"postgresql": transaction.atomic, "sqlite": nullcontext}
SILENT = NOW + timedelta(minutes=5)


@pytest.mark.django_db
def test_connections_are_marked_a_few_at_a_time_until_none_is_left(monkeypatch):
    monkeypatch.setattr(sweeps, "CHUNK", 2)
    take(make_edge(), *(record(number) for number in range(5)))

    with CaptureQueriesContext(connection) as asked:
        marked = presume_closed(SILENT)

    assert marked == 5
    assert not ConnectionUsage.objects.filter(presumed_closed_at=None).exists()
    assert len([q for q in asked if q["sql"].startswith("UPDATE")]) == 3


@pytest.mark.django_db(transaction=True)
def test_the_sweep_waits_for_no_report_that_is_under_way():
    reported, silent = record(1), record(2)
    take(make_edge(), reported, silent)

    with UNDER_WAY[connection.vendor]():
        ConnectionUsage.objects.select_for_update().get(connection_id=reported.id)
        together(lambda: presume_closed(SILENT))
        row = ConnectionUsage.objects.get(connection_id=silent.id)

    assert row.presumed_closed_at == SILENT
    presume_closed(SILENT)
    assert not ConnectionUsage.objects.filter(presumed_closed_at=None).exists()
