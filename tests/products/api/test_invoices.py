"""Invoices and the budget over the API."""

import json
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from accounts.actor import Actor
from products.billing.commands.closing import finalize_invoice, void_invoice
from products.billing.commands.corrections import correct_month
from products.billing.models import Budget
from products.metering.models import ConnectionUsage
from products.months import Month
from tests.access.bodies import prove
from tests.factories import NOW
from tests.factories.invoices import bill_in_euros
from tests.factories.usage import connection_usage, delivery_usage, reporting_edge
from tests.factories.world import build_world

JOB = Actor.system("bill-accounts")
LATER = NOW + timedelta(days=1)
CLOSED = datetime(2026, 12, 4, 1, tzinfo=UTC)


@pytest.fixture
def world(db):
    return build_world()


@pytest.fixture
def used(world):
    for name in ("a", "b"):
        connection_usage(
            world.shop, NOW + timedelta(hours=1), 600, month="2026-11", name=name
        )
    return world


@pytest.fixture
def call(client, world):
    """Return a function that sends a request with a person's token."""

    def send(method, path, who="billing", body=None, at=LATER):
        with time_machine.travel(at, tick=False):
            answer = client.generic(
                method,
                f"/api/{path}",
                "" if body is None else json.dumps(body),
                "application/json",
                headers={"Fastly-Key": world.keys[who]},
            )
        return answer.status_code, answer.json()

    return send


def test_the_running_month_answers_with_its_bill_as_a_draft(used, call):
    _, listed = call("GET", "v1/invoices?month=2026-11")
    _, one = call("GET", "v1/invoices/2026-11")

    [invoice] = listed["data"]
    assert invoice == one
    assert (one["number"], one["status"], one["total"]) == ("", "draft", "0.00")
    [line] = one["lines"]
    assert (line["kind"], line["quantity"]) == ("usage", 1_200)
    assert (line["amount"], line["amount_exact"]) == ("0.00", "0.00072")


def test_a_final_invoice_is_found_by_its_number(used, call):
    final = finalize_invoice(JOB, account=used.acme, month=Month(2026, 11), now=CLOSED)

    _, one = call("GET", f"v1/invoices/{final.number}")

    assert (one["number"], one["status"]) == (final.number, "final")
    assert one["lines"][0]["digest"] == final.lines.get().usage_digest
    assert (one["kind"], one["replaces"], one["replaced_by"]) == ("month", None, None)
    assert one["credit_notes"] == []


def test_an_invoice_names_its_credit_notes_and_what_it_replaces(used, call):
    november, actor = Month(2026, 11), used.people["staff"]
    for name in range(50):
        connection_usage(used.shop, NOW, 10_000, month="2026-11", name=f"c{name}")
    close = {"account": used.acme, "month": november, "now": CLOSED}
    first = finalize_invoice(JOB, **close)
    void_invoice(actor, invoice=first, reason="Wrong buyer", now=CLOSED)
    second = finalize_invoice(JOB, **close)
    for names in (["c1", "c2", "c3"], ["c4", "c5"]):
        ConnectionUsage.objects.filter(connection_id__in=names).delete()
        correct_month(JOB, **close)

    _, void = call("GET", f"v1/invoices/{first.number}")
    _, one = call("GET", f"v1/invoices/{second.number}")
    _, listed = call("GET", "v1/invoices?month=2026-11", at=CLOSED)

    assert (void["replaced_by"], one["replaces"]) == (second.number, first.number)
    assert [note["number"] for note in one["credit_notes"]] == [
        "CN-000001",
        "CN-000002",
    ]
    assert listed["data"] == [one, void]


def test_invoices_are_listed_by_pages(used, call):
    finalize_invoice(JOB, account=used.acme, month=Month(2026, 11), now=CLOSED)

    _, first = call("GET", "v1/invoices?limit=1")
    _, second = call("GET", first["meta"]["next"].split("/api/")[1])

    assert [each["month"] for each in first["data"]] == ["2026-11"]
    assert [each["month"] for each in second["data"]] == ["2026-09"]
    assert second["meta"]["next"] == ""


def test_another_account_finds_no_invoice(used, call):
    assert call("GET", "v1/invoices/INV-900001", "non_member")[0] == 404


def test_a_budget_is_set_after_a_reauthentication(used, call):
    body = {"amount": "50.00", "thresholds": [50, 100], "action": "notify"}

    status, refused = call("PUT", "v1/budget", "superuser", body)

    assert (status, refused["code"]) == (403, "reauthentication_required")
    assert not Budget.objects.exists()
    assert call("GET", "v1/budget")[1]["amount"] is None


@pytest.mark.parametrize(
    ("currency", "status"), [("usd", 200), ("USD", 200), ("US", 400), ("$", 400)]
)
def test_the_currency_of_a_budget_can_have_small_letters(used, call, currency, status):
    with time_machine.travel(LATER, tick=False):
        prove(used, used.people["superuser"])

    answered, _ = call(
        "PUT", "v1/budget", "superuser", {"amount": "50.00", "currency": currency}
    )

    assert answered == status
    budgets = Budget.objects.values_list("currency", flat=True)
    assert list(budgets) == ["USD"] * (status == 200)


def test_the_budget_is_shown_although_the_bill_is_refused(used, call):
    bill_in_euros(used.acme)

    status, shown = call("GET", "v1/budget")

    assert (status, shown["amount"], shown["spent"]) == (200, None, None)


@pytest.mark.parametrize("who", ["engineer", "user"])
@pytest.mark.parametrize(
    "path",
    [
        "v1/invoices",
        "v1/budget",
        "billing/v3/invoices",
        "billing/v3/invoices/month-to-date",
    ],
)
def test_a_role_that_sees_no_costs_is_refused(world, call, who, path):
    assert call("GET", path, who)[0] == 403


@pytest.mark.parametrize(
    "query",
    [
        "start_month=2026-11&end_month=2026-10",
        "start_month=2020-01&end_month=2026-10",
        "start_month=x&end_month=2026-10",
    ],
)
def test_an_impossible_range_of_months_is_refused(world, call, query):
    assert call("GET", f"billing/v3/usage-metrics?{query}")[0] == 400


@pytest.mark.parametrize(
    "path", ["v1/invoices", "billing/v3/invoices", "billing/v3/service-usage-metrics"]
)
@pytest.mark.parametrize("cursor", ["x", "_1", "2026-11_", "2026-11_x", "x_1", "²"])
def test_a_cursor_of_no_response_is_refused_with_what_to_do(world, call, path, cursor):
    status, said = call("GET", f"{path}?cursor={cursor}")

    assert status == 400
    assert said["detail"].startswith("cursor: Use the cursor from a response")


def test_the_usage_of_an_unknown_service_is_refused(used, call):
    path = "billing/v3/service-usage-metrics"
    status, said = call("GET", f"{path}?service={'x' * 22}")
    _, found = call("GET", f"{path}?service={used.shop.pk}")

    assert (status, "no service with this ID" in said["detail"]) == (400, True)
    assert [each["service_id"] for each in found["data"]["details"]] == [used.shop.pk]


def test_an_unknown_product_is_answered_with_the_known_ones(world, call):
    _, said = call("GET", "billing/v3/service-usage-metrics?product_id=fanout")

    assert "Choose websockets (WebSockets Connection Minutes) or" in said["detail"]


def test_fastlys_usage_has_times_in_fastlys_form(used, call):
    reporting_edge(NOW)
    query = "start_month=2026-11&end_month=2026-11"

    status, shown = call("GET", f"billing/v3/usage-metrics?{query}")

    assert status == 200
    assert {each["last_updated_at"] for each in shown["data"]} == {
        "2026-11-22T11:59:00Z"
    }


def test_fastlys_amounts_are_those_of_the_invoice(used, call):
    final = finalize_invoice(JOB, account=used.acme, month=Month(2026, 11), now=CLOSED)

    _, one = call("GET", f"billing/v3/invoices/{final.pk}")

    assert one["statement_number"] == final.number
    [line] = one["transaction_line_items"]
    assert (line["units"], line["rate"]) == (0.0012, 0.6)


def test_fastlys_rate_of_a_line_in_tiers_is_the_mean_price_of_its_units(used, call):
    hour = NOW.replace(minute=0, second=0, microsecond=0)
    delivery_usage(used.shop, hour, 400 * 10**9)  # of which 100 GB are free

    _, one = call("GET", "billing/v3/invoices/month-to-date")

    line = one["transaction_line_items"][0]
    assert line["usage_type"] == "Bandwidth"
    assert (line["units"], line["rate"], line["amount"]) == (400, 0.09, 36)
