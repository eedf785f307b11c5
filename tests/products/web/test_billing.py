"""The Billing page and the budget, for those who may see costs."""

import re
from datetime import timedelta
from decimal import Decimal

import pytest
import time_machine
from django.urls import reverse

from accounts.models import Account
from products.billing.commands import set_budget
from products.billing.commands.credits import grant_credit
from products.billing.models import Budget
from products.catalogue.money import Money
from products.enablement.models import BudgetBlock
from products.metering.models import Edge
from products.months import Month
from tests.factories import NOW
from tests.factories.accounts import MembershipFactory
from tests.factories.enablement import block_by_budget
from tests.factories.invoices import bill_in_euros, invoice
from tests.factories.services import ServiceFactory
from tests.factories.trail import noted
from tests.factories.usage import connection_usage, reporting_edge
from tests.products.web.conftest import queries_of, text_of

LATER = NOW + timedelta(days=3)


@pytest.fixture(autouse=True)
def _at_a_later_time():
    with time_machine.travel(LATER, tick=False):
        yield


@pytest.fixture
def edge(db):
    return reporting_edge(LATER)


def used(service, *, count=1, minutes=60):
    """Save connections that started an hour after WebSockets was enabled."""
    for _ in range(count):
        connection_usage(service, NOW + timedelta(hours=1), minutes, month="2026-11")


def page(browser, actor, **query):
    return browser(actor).get(reverse("billing"), query)


@pytest.mark.parametrize("who", ["eve", "una", "lin"])
def test_a_role_that_sees_no_costs_is_refused_with_the_reason(request, browser, who):
    answer = page(browser, request.getfixturevalue(who))

    assert answer.status_code == 403
    assert "see costs and invoices" in text_of(answer)


def test_without_usage_nothing_is_billed(browser, bo, enabled, edge):
    text = text_of(page(browser, bo))

    assert "November 2026 so far, estimate 0.00 USD" in text
    assert (
        "Forecast for the month 0.00 USD mean usage of the last 2 counted days" in text
    )
    assert "Nothing is billed so far" in text
    assert "No invoices yet" in text


def test_a_new_account_has_no_forecast_and_no_counted_days(browser, bo, acme, edge):
    Account.objects.update(created_at=LATER - timedelta(minutes=5))

    text = text_of(page(browser, bo))

    assert "Forecast for the month unknown after the first whole day is counted" in text
    assert "counted day" not in text


def test_an_offline_edge_is_named_beside_the_time_of_the_count(
    browser, bo, enabled, edge
):
    Edge.objects.update(last_seen_at=LATER - timedelta(minutes=25))

    text = text_of(page(browser, bo))

    assert (
        "Counted up to 25 November 2026, 11:59 UTC"
        " ; 1 edge offline since 25 November 2026, 11:35 UTC." in text
    )


def test_without_any_report_what_is_not_known_is_unknown(browser, bo, enabled):
    text = text_of(page(browser, bo))

    assert "Not all usage is known" in text
    assert "Forecast for the month unknown" in text


def test_costs_are_shown_by_product_and_by_service(browser, bo, shop, echo, enabled):
    used(echo)
    used(shop, count=2)

    text = text_of(page(browser, bo))

    assert "WebSockets less than 0.01 USD" in text
    assert "shop less than 0.01 USD echo less than 0.01 USD" in text


def test_of_many_services_those_that_cost_most_are_named_and_the_rest_is_one_row(
    browser, bo, acme, enabled
):
    services = [ServiceFactory.create(account=acme) for _ in range(23)]
    for number, service in enumerate(services):
        used(service, minutes=1_000 + number)

    rows = page(browser, bo).context["services"]

    assert [row.id for row in rows[:20]] == [each.pk for each in services[:2:-1]]
    assert [row.name for row in rows[20:]] == ["3 other services"]
    assert rows[20].exact == Decimal("0.0018018")  # 3,003 minutes


def test_of_many_who_get_emails_about_bills_the_first_are_named(
    browser, bo, acme, enabled
):
    for number in range(30):
        MembershipFactory.create(
            account=acme, role="billing", user__name=f"A{number:02}"
        )

    text = text_of(page(browser, bo))

    assert "A08, A09 and 22 more." in text


def test_the_number_of_queries_does_not_grow_with_invoices(browser, bo, acme, enabled):
    invoice(acme, "2026-01", "INV-000001")
    few = queries_of(browser(bo), reverse("billing"))
    for month in range(2, 8):
        invoice(acme, f"2026-{month:02}", f"INV-{month:06}")

    assert queries_of(browser(bo), reverse("billing")) == few


def listed(answer):
    return [each["key"] for each in answer.context["invoices"]]


def test_invoices_are_paged_searched_and_filtered(browser, bo, acme, enabled):
    for index in range(14):
        label = str(Month(2025, 1).plus(index))
        invoice(acme, label, f"INV-{index:06}")
    invoice(acme, "2026-10")
    client = browser(bo)

    first = client.get(reverse("billing"))
    second = client.get(first.context["page"].next_url)

    assert listed(first)[0] == "2026-10"
    assert len(listed(first)) == 12
    assert listed(second) == ["INV-000002", "INV-000001", "INV-000000"]
    assert listed(page(browser, bo, q="2025-03")) == ["INV-000002"]
    assert listed(page(browser, bo, q="000007")) == ["INV-000007"]
    assert listed(page(browser, bo, status="draft")) == ["2026-10"]
    oldest_first = page(browser, bo, sort="old")
    assert listed(oldest_first)[:2] == ["INV-000000", "INV-000001"]
    assert "Next invoices" in text_of(oldest_first)
    assert "No invoice matches" in text_of(page(browser, bo, q="nothing"))


def test_a_damaged_cursor_shows_the_first_page(browser, bo, enabled):
    assert page(browser, bo, before="x_y").status_code == 200


def test_credits_show_what_is_left_of_them(browser, bo, ada, acme, enabled):
    grant_credit(
        ada,
        account=acme,
        amount=Money.of("12.50", "USD"),
        reason="Outage in May",
        now=LATER,
    )

    text = text_of(page(browser, bo))

    assert "Credits left 12.50 USD" in text
    assert "Outage in May" in text


def test_a_budget_is_set_and_shown_with_what_is_used(browser, bo, acme, enabled):
    client = browser(bo)
    typed = {"amount": "50", "thresholds": "50, 100 %", "action": "notify"}

    answer = client.post(reverse("budget"), typed, follow=True)

    assert answer.redirect_chain == [(reverse("billing"), 303)]
    assert Budget.objects.get().thresholds == [50, 100]
    text = text_of(answer)
    assert "50.00 USD per month. Emails at 50 % and 100 %." in text
    assert "A budget warns; it does not stop usage." in text


@pytest.mark.parametrize(
    ("amount", "level", "words"),
    [
        ("0.24", "below", "50 % of 0.24 USD Below the first alert, at 75 %"),
        ("0.16", "alert", "75 % of 0.16 USD Alert at 75 % reached"),
        ("0.12", "used_up", "100 % of 0.12 USD Used up"),
        ("0.10", "over", "120 % of 0.10 USD 0.02 USD over the budget"),
    ],
)
def test_the_level_of_a_budget_is_shown_in_words(
    browser, bo, acme, shop, enabled, amount, level, words
):
    used(shop, count=50, minutes=4_000)  # 0.12 USD
    set_budget(
        bo,
        account=acme,
        amount=Money.of(amount, "USD"),
        thresholds=[75, 90],
        action="notify",
        now=LATER,
    )

    answer = page(browser, bo)

    assert f"Budget used {words}" in text_of(answer)
    assert f'class="meter {level}"' in answer.content.decode()


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("amount", "0", "Enter an amount above zero."),
        ("amount", "ten", "Enter a number."),
        ("thresholds", "half", "Enter percentages, such as 50, 75, 100."),
        ("thresholds", "0", "Enter percentages from 1 to 1000."),
    ],
)
def test_a_budget_with_an_error_is_kept_in_the_form(
    browser, bo, enabled, field, value, error
):
    typed = {"amount": "50", "thresholds": "50", "action": "notify"} | {field: value}

    answer = browser(bo).post(reverse("budget"), typed)

    assert answer.status_code == 400
    assert answer.context["form"][field].errors == [error]
    assert answer.context["form"][field].value() == value
    assert not Budget.objects.exists()


def test_only_a_superuser_can_choose_to_refuse_connections(browser, bo, sam, enabled):
    typed = {"amount": "50", "thresholds": "100", "action": "block_new"}

    assert browser(bo).post(reverse("budget"), typed).status_code == 403
    assert not Budget.objects.exists()
    assert browser(sam).post(reverse("budget"), typed).status_code == 303
    assert Budget.objects.get().action == "block_new"


def test_a_block_is_shown_and_lifted_in_one_step(browser, sam, acme, shop, enabled):
    used(shop, count=50, minutes=4_000)  # 0.12 USD, which no sweep has seen
    client = browser(sam)
    typed = {"amount": "0.10", "thresholds": "100", "action": "block_new"}
    answer = client.post(reverse("budget"), typed, follow=True)
    assert "new WebSocket connections are refused" in text_of(answer)

    answer = client.post(reverse("lift_budget_block"), follow=True)

    assert "New connections are accepted again." in text_of(answer)
    assert not BudgetBlock.objects.exists()


def test_a_block_is_lifted_although_the_bill_cannot_be_computed(
    browser, sam, acme, enabled
):
    client = browser(sam)
    typed = {"amount": "50", "thresholds": "100", "action": "block_new"}
    client.post(reverse("budget"), typed)
    block_by_budget(acme)
    bill_in_euros(acme)

    shown = text_of(client.get(reverse("billing")))
    client.post(reverse("lift_budget_block"))

    for words in (
        "The running bill can't be computed",
        "new WebSocket connections are refused",
        "50.00 USD per month. Emails at 100 %.",
        "Change budget…",
    ):
        assert words in shown
    assert not BudgetBlock.objects.exists()


@pytest.mark.parametrize("name", ["home", "products"])
def test_this_months_cost_is_on_home_and_products_for_those_who_see_costs(
    browser, bo, una, shop, enabled, name
):
    used(shop, count=50, minutes=4_000)

    cost = re.compile(r"This month so far[^0-9]*0\.12 USD")
    assert cost.search(text_of(browser(bo).get(reverse(name))))
    assert not cost.search(text_of(browser(una).get(reverse(name))))


def test_a_budget_is_removed_after_a_confirmation(browser, bo, acme, enabled):
    client = browser(bo)
    client.post(
        reverse("budget"), {"amount": "50", "thresholds": "50", "action": "notify"}
    )
    asked = text_of(client.get(reverse("remove_budget")))
    assert "Acme has a budget of 50.00 USD per month." in asked

    answer = client.post(reverse("remove_budget"), follow=True)

    assert "The budget is removed." in text_of(answer)
    assert not Budget.objects.exists()
    assert noted(acme.pk)[-1] == "budget.removed"
    again = client.get(reverse("remove_budget"), follow=True)
    assert "Acme has no budget." in text_of(again)


def test_removing_a_budget_accepts_new_connections_again(
    browser, sam, acme, enabled, shop, edge
):
    set_budget(
        sam,
        account=acme,
        amount=Money(1, "USD"),
        thresholds=[100],
        action="block_new",
        now=LATER,
    )
    block_by_budget(acme)

    browser(sam).post(reverse("remove_budget"))

    assert not BudgetBlock.objects.exists()
    assert noted(acme.pk)[-2:] == ["budget.removed", "product.unblocked"]
