"""A month of billing: a price, connections, a budget, the invoice, late and voided usage."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from html import unescape
from typing import Any
from urllib.parse import urlsplit

import pytest

from products.months import Month
from tests.portal.waiting import time_away_from_midnight
from tests.stories.python_shell import PythonShell, python_shell
from tests.stories.stack import GENEROUS_SECONDS, Stack, within

HOST = "echo.localhost"
BLOCKED = (403, "WebSockets is blocked for this account.\n")
# One minute costs 0.10 USD, so that the few connections of the story cost something; later half.
PRICES = ("100000", "50000")  # USD per million
SET_PRICE = """
from django.utils import timezone
from accounts.actor import Actor
from accounts.models import Account
from products.catalogue.commands import add_plan
from products.catalogue.prices import NewPrice
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
from django.core.management import call_command
from accounts.actor import Actor
from accounts.models import Account
from products.billing.commands.corrections import correct_month
from products.months import Month
account = Account.objects.get(pk={account!r})
correct_month(Actor.system("bill-accounts"), account=account, month=Month.read({month!r}),
    now=datetime.fromisoformat({now!r}))
call_command("close_month", {following!r}, account=account.pk, now={closing!r})
"""
# Staff void what the edge reported since an instant; then the sweeps do the rest. The invoice's
# page is read as the billing user sees it.
VOID = """
from datetime import datetime
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from accounts.actor import Actor, Context
from accounts.authentication import staff_actor
from accounts.models import Account, User
from products.billing.commands.corrections import correct_month
from products.metering.commands import void_usage
from products.metering.commands.periods import rebuild_stale_periods
from products.metering.models import Edge
from products.metering.queries.voids import EdgeTime
from products.months import Month
from tests.factories.sessions import use_secret_cookies
use_secret_cookies()
now = timezone.now()
staff = User.objects.filter(is_staff=True).first()
void_usage(staff_actor(staff, Context()),
    period=EdgeTime(Edge.objects.get().name, datetime.fromisoformat({since!r}), now),
    reason="Its clock was wrong.", now=now)
rebuild_stale_periods(now=now)
correct_month(Actor.system("bill-accounts"), account=Account.objects.get(pk={account!r}),
    month=Month.read({month!r}), now=now)
call_command("check_invoice", {number!r})
client = Client(headers={{"host": {host!r}}})
client.force_login(User.objects.get(email={billing!r}))
print(client.get("/billing/invoices/{number}/").content.decode())
"""


@pytest.fixture
def shell(own_stack: Stack) -> Iterator[PythonShell]:
    """Run what staff and the worker do."""
    with python_shell(own_stack) as running:
        yield running


def test_a_month_from_the_first_connection_to_a_correction(
    own_stack: Stack, shell: PythonShell
) -> None:
    stack = own_stack
    month = Month.at(time_away_from_midnight(minutes=10), "UTC")
    staff_set_the_price(stack, shell, PRICES[0])
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

    a_budget_refuses_new_connections_and_is_lifted(stack, shell)

    cheaper_since = datetime.now(UTC)
    staff_set_the_price(stack, shell, PRICES[1])
    connect_once(stack)
    running_bill = within(
        GENEROUS_SECONDS,
        lambda: f"both prices are on the bill: {invoice(stack, month)}",
        lambda: at_both_prices(stack, month),
    )

    final = the_month_is_closed(stack, shell, month)
    assert (final["status"], final["total"]) == ("final", running_bill["total"])
    assert minutes_and_amounts(final) == minutes_and_amounts(running_bill)

    late_usage_is_on_the_next_invoice_at_the_price_of_its_time(stack, shell, month)
    voided_usage_is_on_a_credit_note(stack, shell, month, final, since=cheaper_since)
    assert invoice(stack, final["number"])["total"] == final["total"]


def staff_set_the_price(stack: Stack, shell: PythonShell, price: str) -> None:
    account = stack.person("superuser")["account"]
    shell.run(SET_PRICE.format(account=account, price=price))


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


def a_budget_refuses_new_connections_and_is_lifted(
    stack: Stack, shell: PythonShell
) -> None:
    set_budget(stack, "block_new")
    shell.run(REFRESH)
    within(GENEROUS_SECONDS, "the edge refuses", lambda: stack.refusal(HOST) == BLOCKED)
    assert stack.api("GET", "/api/v1/budget", "billing")[1]["reached"] == [50, 100]
    set_budget(stack, "notify")
    within(GENEROUS_SECONDS, "the edge lets it in", lambda: stack.refusal(HOST) is None)


def set_budget(stack: Stack, action: str) -> None:
    body = {"amount": "0.15", "thresholds": [50, 100], "action": action}
    status, answer = stack.api("PUT", "/api/v1/budget", body=body)
    assert status == 200, answer


def the_month_is_closed(
    stack: Stack, shell: PythonShell, month: Month
) -> dict[str, Any]:
    account = stack.person("superuser")["account"]
    shell.manage(
        *("close_month", str(month), "--account", account, "--finalize"),
        *("--now", month.plus(1).starts_at("UTC").replace(day=5).isoformat()),
        *("--override", "The story does not wait for the edge"),
    )
    [final] = stack.api("GET", f"/api/v1/invoices?month={month}&limit=5", "billing")[1][
        "data"
    ]
    assert "match their usage records" in shell.manage("check_invoice", final["number"])
    return dict(final)


def late_usage_is_on_the_next_invoice_at_the_price_of_its_time(
    stack: Stack, shell: PythonShell, month: Month
) -> None:
    account, following = stack.person("superuser")["account"], month.plus(1)
    connect_once(stack)
    correct = CORRECT.format(
        account=account,
        month=str(month),
        now=following.starts_at("UTC").replace(day=6).isoformat(),
        following=str(following),
        closing=following.plus(1).starts_at("UTC").replace(day=2).isoformat(),
    )

    def adjusted() -> bool:
        shell.run(correct)
        lines = invoice(stack, following)["lines"]
        return ("adjustment", "0.05") in [
            (line["kind"], line["amount"]) for line in lines
        ]

    within(GENEROUS_SECONDS, "the late connection is billed", adjusted)


def voided_usage_is_on_a_credit_note(
    stack: Stack,
    shell: PythonShell,
    month: Month,
    final: dict[str, Any],
    *,
    since: datetime,
) -> None:
    """Void the connections at the second price: one is on the invoice, one was late."""
    void = VOID.format(
        since=since.isoformat(),
        account=stack.person("superuser")["account"],
        month=str(month),
        number=final["number"],
        billing=stack.person("billing")["login"],
        host=urlsplit(stack.portal).netloc,
    )
    shown = shell.run(void)
    _, cheaper = minutes_and_amounts(final)
    credited = Decimal(cheaper[1]) + Decimal("0.05")
    assert f"{final['number']}: all" in shown
    assert "with late usage and CN-000001 match their usage records." in shown
    page = unescape(shown)
    assert "CN-000001" in page.partition('id="corrections"')[2]
    assert f"−{credited} USD" in page


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
