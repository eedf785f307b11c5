"""Bills of any usage: the same in any order, before and after closing, and after corrections."""

from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
from django.db import transaction
from hypothesis import given
from hypothesis import strategies as st

from accounts.actor import Actor
from products.billing.bill import (
    CONNECTION_TIME,
    SegmentUsage,
    Terms,
    fees_of,
    lines_of,
    segments_of,
    subtotal,
)
from products.billing.commands import correct_month, finalize_invoice, refresh_bill
from products.billing.models import Adjustment, CreditNote, Invoice
from products.billing.queries.bills import computed_bill
from products.billing.queries.invoices import InvoiceCheck, invoice_check
from products.billing.rating import estimate
from products.catalogue.prices import NewPrice
from products.catalogue.tiers import PriceTier
from products.enablement.commands import change_price
from products.metering.minutes import minutes
from products.metering.models import ConnectionUsage
from tests.factories.trail import noted
from tests.factories.world import CATALOGUE
from tests.products.billing.conftest import CLOSED, MID_OCTOBER, OCTOBER, SEPTEMBER
from tests.products.billing.test_rating import prices
from tests.products.billing.test_shares_and_credits import APRIL, MARCH, held, price
from tests.products.metering.reports import SECOND_US, make_edge, record, take
from tests.products.one_database import ONE_DATABASE

JOB = Actor.system("bill-accounts")
START, END = OCTOBER.starts_at("UTC"), OCTOBER.ends_at("UTC")
JUST_BEFORE = END - timedelta(microseconds=1)
MONTH_US = (END - START) // timedelta(microseconds=1)


@contextmanager
def example():
    """Undo what an example wrote; invoices and the audit trail cannot be deleted."""
    savepoint = transaction.atomic()
    savepoint._from_testcase = (
        True  # so that commands can open their transactions in it
    )
    with savepoint:
        yield
        transaction.set_rollback(True)


@pytest.fixture
def dear(standard):
    """The direct plan, of which a thousand minutes cost money, at two prices in October."""
    for start, factor in ((START, 2), (MID_OCTOBER, 1)):
        change_price(
            CATALOGUE,
            plan=standard,
            price=NewPrice(
                "USD",
                CONNECTION_TIME,
                (PriceTier(1, factor * 7 * 10**11), PriceTier(None, factor * 10**11)),
            ),
            effective_from=start,
            now=SEPTEMBER,
        )


@st.composite
def reports(draw, service, number=0):
    """Draw the reports of one connection, which grows; all of them were made in October."""
    start = START + timedelta(microseconds=draw(st.integers(0, MONTH_US - 1)))
    left = (JUST_BEFORE - start) // timedelta(microseconds=1)
    durations = sorted(draw(st.lists(st.integers(0, left), min_size=1, max_size=3)))
    return [
        record(
            number,
            service=service,
            month="2026-10",
            started_at=start,
            duration_us=duration,
            bytes_from_client=duration // SECOND_US,
            bytes_to_client=700_000 * (duration // SECOND_US),
            final=duration == durations[-1],
        )
        for duration in dict.fromkeys(durations)
    ]


def histories(services, first=0):
    """Return a strategy of the reports of up to five connections."""
    return st.lists(st.sampled_from(services), max_size=5).flatmap(
        lambda chosen: st.tuples(
            *(reports(service, first + n) for n, service in enumerate(chosen))
        ).map(lambda parts: [each for part in parts for each in part])
    )


def arrive(edge, found):
    """Ingest reports when the month was about to end."""
    for each in found:
        take(edge, each, now=JUST_BEFORE)


def finalize(acme):
    return finalize_invoice(JOB, account=acme, month=OCTOBER, now=CLOSED)


def content(lines):
    """Return what lines say, without how they were counted."""
    return [
        [
            *(row.kind, row.meter, row.starts_at, row.quantity, row.connections),
            *(row.amount_exact, row.amount_micros, row.services),
        ]
        for row in lines
    ]


def billed(invoice):
    """Return the micro-units of an invoice after all corrections, by meter."""
    total = Counter[str]()
    for row in invoice.lines.all():
        total[row.meter] += row.amount_micros
    for row in Adjustment.objects.all():
        total[row.meter] += row.amount_micros
    for row in CreditNote.objects.all():
        total[row.meter] -= row.amount_micros
    return total


@pytest.fixture
def edge(db):
    return make_edge(created_at=SEPTEMBER)


@ONE_DATABASE
@given(data=st.data())
def test_order_and_duplicates_change_no_bill(acme, shop, echo, enabled, dear, data):
    history = data.draw(histories([shop.pk, echo.pk]))
    again = data.draw(st.lists(st.sampled_from(history), max_size=5)) if history else []
    arriving = data.draw(st.permutations(history + again))
    found = []

    for order in (history, arriving):
        with example():
            arrive(make_edge(created_at=SEPTEMBER), order)
            bill = computed_bill(acme, OCTOBER, CLOSED)
            found.append((bill.lines, bill.usage))

    assert found[0] == found[1]


@ONE_DATABASE
@given(data=st.data())
def test_the_running_bill_is_the_invoice_and_closing_again_changes_nothing(
    acme, shop, echo, enabled, dear, edge, data
):
    with example():
        arrive(edge, data.draw(histories([shop.pk, echo.pk])))
        running = refresh_bill(acme, now=JUST_BEFORE)
        shown = (running.subtotal, content(running.lines.all()))
        edge.reported_at = CLOSED
        edge.save()

        invoice = finalize(acme)
        entries = noted(acme.pk)
        again = finalize(acme)

        assert (invoice.subtotal, content(invoice.lines.all())) == shown
        assert invoice_check(invoice, CLOSED) == InvoiceCheck()
        assert (again.pk, again.number, again.content_hash, noted(acme.pk)) == (
            *(invoice.pk, invoice.number, invoice.content_hash),
            entries,
        )
        assert Invoice.objects.count() == 1
        counted = sum(
            row.quantity
            for row in invoice.lines.filter(meter=CONNECTION_TIME, kind="usage")
        )
        rows = ConnectionUsage.objects.values_list("duration_us", flat=True)
        assert counted == sum(map(minutes, rows))


@ONE_DATABASE
@given(data=st.data())
def test_after_any_late_and_voided_usage_the_whole_is_billed_as_if_on_time(
    acme, shop, enabled, dear, edge, data
):
    with example():
        arrive(edge, data.draw(histories([shop.pk])))
        edge.reported_at = CLOSED
        edge.save()
        invoice = finalize(acme)
        for first in (10, 20):
            arrive(edge, data.draw(histories([shop.pk], first)))
            for row in ConnectionUsage.objects.order_by("pk"):
                if data.draw(st.booleans()):
                    row.delete()
            correct_month(JOB, account=acme, month=OCTOBER, now=CLOSED)
            assert not correct_month(JOB, account=acme, month=OCTOBER, now=CLOSED)

        true = Counter[str]()
        for line in computed_bill(acme, OCTOBER, CLOSED).lines:
            true[line.meter] += line.amount.micros
        assert billed(invoice) == true


@given(
    prices(),
    st.integers(0, 10**7),
    st.integers(0, 40 * 86_400),
    st.integers(0, 10**9),
)
def test_the_estimate_is_the_bill_of_that_usage(tiers, connections, seconds, included):
    shown = estimate(connections, seconds, tiers, currency="USD", included=included)

    plan = replace(price(included=included), price=tiers)
    terms = Terms(
        starts_at=MARCH,
        ends_at=APRIL,
        zone="UTC",
        currency="USD",
        segments=tuple(segments_of([held()], [plan], MARCH, APRIL)),
        fees=tuple(fees_of([held()], [plan], MARCH, APRIL, "UTC")),
    )
    lines = lines_of(terms, [SegmentUsage(by_service={"s": shown.minutes})])

    assert shown.minutes == connections * minutes(seconds * 1_000_000)
    assert subtotal(lines, "USD") == shown.total


@given(
    st.integers(0, 10**13),
    st.lists(st.integers(0, 10**13), max_size=8).map(sorted),
)
def test_the_minutes_between_any_cuts_add_up_to_those_of_the_connection(lasted, cuts):
    until = [min(each, lasted) for each in [0, *cuts, 10**13]]

    parts = [minutes(high) - minutes(low) for low, high in pairwise(until)]

    assert sum(parts) == minutes(lasted)
    assert all(each >= 0 for each in parts)
