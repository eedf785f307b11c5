"""A month of billing: a price, connections, a budget, the invoice, its check, and late usage."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from products.months import Month
from tests.stories.stack import GENEROUS_SECONDS, Stack, running, within

HOST = "echo.localhost"
BLOCKED = (403, "WebSockets is blocked for this account.\n")
# One minute costs 0.10 USD, so that the few connections of the story cost something; later half.
PRICES = ("100000", "50000")  # USD per million
SET_PRICE = """
from django.utils import timezone
from accounts.actor import Actor
from accounts.models import Account
from products.catalogue.commands import NewPrice, add_plan
from products.catalogue.models import Plan, Product
from products.catalogue.money import nanos
from products.catalogue.tiers import PriceTier
from products.enablement.commands import change_price
actor, now = Actor.system("load-catalogue"), timezone.now()
account = Account.objects.get(pk={account!r})
plan = Plan.objects.filter(account=account).first() or add_plan(
    actor, product=Product.objects.get(pk="websockets"), kind="direct", name="Contract",
    account=account, now=now)
change_price(actor, plan=plan, price=NewPrice(meter="connection_time", currency="USD",
    tiers=(PriceTier(None, nanos({price!r})),)), effective_from=now, now=now)
"""
# What the worker does by its timetable.
REFRESH = """
from django.utils import timezone
from products.billing.commands.sweeps import refresh_bills
refresh_bills(timezone.now())
"""
CORRECT = """
from datetime import datetime
from accounts.actor import Actor
from accounts.models import Account
from products.billing.commands.corrections import correct_month
from products.months import Month
correct_month(Actor.system("bill-accounts"), account=Account.objects.get(pk={account!r}),
    month=Month.read({month!r}), now=datetime.fromisoformat({now!r}))
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Run everything for this story alone: it closes months."""
    with running(tmp_path_factory.mktemp("billing")) as own:
        yield own


def test_a_month_from_the_first_connection_to_a_correction(stack: Stack) -> None:
    month = Month.at(datetime.now(UTC), "UTC")
    staff_set_the_price(stack, PRICES[0])
    the_superuser_enables_it(stack)
    within(GENEROUS_SECONDS, "the edge lets it in", lambda: stack.refusal(HOST) is None)

    # That was a connection of its own: two started minutes, and the running bill shows them.
    connect_once(stack)
    running_bill = within(
        GENEROUS_SECONDS,
        lambda: f"two minutes are counted: {invoice(stack, month)}",
        lambda: counted(stack, month, minutes=2),
    )
    assert (running_bill["status"], running_bill["total"]) == ("draft", "0.20")

    a_budget_refuses_new_connections_and_is_lifted(stack)

    staff_set_the_price(stack, PRICES[1])
    connect_once(stack)
    running_bill = within(
        GENEROUS_SECONDS,
        lambda: f"both prices are on the bill: {invoice(stack, month)}",
        lambda: at_both_prices(stack, month),
    )

    final = the_month_is_closed(stack, month)
    assert (final["status"], final["total"]) == ("final", running_bill["total"])
    assert minutes_and_amounts(final) == minutes_and_amounts(running_bill)

    late_usage_is_on_the_next_invoice_at_the_price_of_its_time(stack, month)
    assert invoice(stack, final["number"])["total"] == final["total"]


def staff_set_the_price(stack: Stack, price: str) -> None:
    account = stack.person("superuser")["account"]
    stack.manage("shell", "-c", SET_PRICE.format(account=account, price=price))


def the_superuser_enables_it(stack: Stack) -> None:
    person = stack.person("superuser")
    credentials = {"username": person["login"], "password": person["password"]}
    assert stack.api("POST", "/api/sudo", body=credentials)[0] == 200
    base = "/api/v1/entitlements/websockets"
    _, preview = stack.api("POST", f"{base}/preview", body={})
    agreed = {
        "price_version": preview["price_version"],
        "agreement_sha256": preview["agreement"]["sha256"],
    }
    status, answer = stack.api("POST", f"{base}/enable", body=agreed)
    assert status == 200, answer
    path = f"/api/enabled-products/v1/websockets/services/{stack.service('echo')}"
    assert stack.api("PUT", path)[0] == 200


def a_budget_refuses_new_connections_and_is_lifted(stack: Stack) -> None:
    set_budget(stack, "block_new")
    stack.manage("shell", "-c", REFRESH)
    within(GENEROUS_SECONDS, "the edge refuses", lambda: stack.refusal(HOST) == BLOCKED)
    assert stack.api("GET", "/api/v1/budget", "billing")[1]["reached"] == [50, 100]
    set_budget(stack, "notify")
    within(GENEROUS_SECONDS, "the edge lets it in", lambda: stack.refusal(HOST) is None)


def set_budget(stack: Stack, action: str) -> None:
    body = {"amount": "0.15", "thresholds": [50, 100], "action": action}
    status, answer = stack.api("PUT", "/api/v1/budget", body=body)
    assert status == 200, answer


def the_month_is_closed(stack: Stack, month: Month) -> dict[str, Any]:
    account = stack.person("superuser")["account"]
    stack.manage(
        *("close_month", str(month), "--account", account, "--finalize"),
        *("--now", month.plus(1).starts_at("UTC").replace(day=5).isoformat()),
        *("--override", "The story does not wait for the edge"),
    )
    [final] = stack.api("GET", f"/api/v1/invoices?month={month}&limit=5", "billing")[1][
        "data"
    ]
    assert "match their usage records" in stack.manage("check_invoice", final["number"])
    return dict(final)


def late_usage_is_on_the_next_invoice_at_the_price_of_its_time(
    stack: Stack, month: Month
) -> None:
    account, following = stack.person("superuser")["account"], month.plus(1)
    connect_once(stack)
    closing = following.starts_at("UTC").replace(day=6).isoformat()

    def adjusted() -> bool:
        stack.manage(
            *("shell", "-c"),
            CORRECT.format(account=account, month=str(month), now=closing),
        )
        stack.manage(
            *("close_month", str(following), "--account", account),
            *("--now", following.plus(1).starts_at("UTC").replace(day=2).isoformat()),
        )
        lines = invoice(stack, following)["lines"]
        return ("adjustment", "0.05") in [
            (line["kind"], line["amount"]) for line in lines
        ]

    within(GENEROUS_SECONDS, "the late connection is billed", adjusted)


def connect_once(stack: Stack) -> None:
    with stack.socket(HOST) as socket:
        socket.send("hello")
        assert socket.recv(timeout=10) == "hello"


def invoice(stack: Stack, key: object) -> dict[str, Any]:
    status, body = stack.api("GET", f"/api/v1/invoices/{key}", "billing")
    assert status == 200, body
    return dict(body)


def minutes_and_amounts(body: dict[str, Any]) -> list[tuple[int, str]]:
    return [
        (line["quantity"], line["amount"])
        for line in body["lines"]
        if line["meter"] == "connection_time" and line["kind"] == "usage"
    ]


def counted(stack: Stack, month: Month, *, minutes: int) -> dict[str, Any]:
    body = invoice(stack, month)
    enough = sum(each for each, _ in minutes_and_amounts(body)) >= minutes
    return body if enough else {}


def at_both_prices(stack: Stack, month: Month) -> dict[str, Any]:
    body = invoice(stack, month)
    return body if len(minutes_and_amounts(body)) == len(PRICES) else {}
