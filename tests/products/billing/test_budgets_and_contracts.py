"""Budgets fire once per threshold, and contracts decide currency, zone and payment terms."""

from datetime import UTC, datetime, timedelta

import pytest

from accounts.actor import Actor
from accounts.commands.notices import make_notices
from accounts.errors import Conflict, Forbidden, Invalid
from accounts.models import Account, OutgoingMail
from products.billing.commands.budgets import (
    check_budget,
    lift_block,
    remove_budget,
    set_budget,
)
from products.billing.commands.closing import finalize_invoice
from products.billing.commands.contracts import ContractTerms, assign_contract
from products.billing.commands.sweeps import refresh_bills
from products.billing.models import Budget, BudgetAlert, Contract, Invoice
from products.billing.queries.terms import period_of
from products.catalogue.models import Product
from products.catalogue.money import Money
from products.deploy.commands import activate
from products.deploy.routes import RouteTableCache
from products.enablement.commands import disable
from products.enablement.models import BudgetBlock, Enablement
from products.enablement.queries import state_of
from products.metering.commands import rebuild_usage
from products.metering.models import Edge, UsagePeriod
from products.metering.queries import usage_of
from products.months import Month
from tests.factories.enablement import entitle
from tests.factories.trail import noted
from tests.products.billing.conftest import CLOSED, MID_OCTOBER, OCTOBER
from tests.products.metering.reports import SECOND_US, delivery, make_edge, record, take

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
MID_NOVEMBER = datetime(2026, 11, 15, tzinfo=UTC)
JOB = Actor.system("bill-accounts")


def usd(amount):
    return Money.of(amount, "USD")


def budget(
    actor,
    acme,
    *,
    amount="50",
    currency="USD",
    thresholds=(50, 75, 100),
    action="notify",
):
    return set_budget(
        actor,
        account=acme,
        amount=Money.of(amount, currency),
        thresholds=thresholds,
        action=action,
        now=MID_OCTOBER,
    )


def spent(acme, amount):
    """Set the running bill to an amount, check the budget, and make the notices."""
    micros = usd(amount).micros
    Invoice.objects.update_or_create(
        account=acme,
        month="2026-10",
        defaults={
            "starts_at": OCTOBER.starts_at("UTC"),
            "ends_at": OCTOBER.ends_at("UTC"),
            "zone": "UTC",
            "currency": "USD",
            "counted_at": MID_OCTOBER,
            "subtotal_micros": micros,
            "due_micros": micros,
        },
    )
    reached = check_budget(JOB, account=acme, now=MID_OCTOBER)
    make_notices(now=MID_OCTOBER)
    return reached


def test_v27_each_threshold_fires_once_as_the_bill_reaches_it(bo, una, acme):
    budget(bo, acme)

    fired = [
        spent(acme, amount)
        for amount in ("24.99", "25.00", "37.50", "37.51", "50.00", "61.00")
    ]

    assert fired == [[], [50], [75], [], [100], []]
    assert BudgetAlert.objects.count() == 3
    assert noted(acme.pk).count("budget.reached") == 3
    subjects = OutgoingMail.objects.filter(to="bo@example.com").order_by("pk")
    assert [each.subject.partition(" %")[0] for each in subjects] == [
        f"Acme: The bill for October 2026 reached {percent}"
        for percent in (50, 75, 100)
    ]


def test_thresholds_that_are_reached_together_are_notified_once(bo, acme):
    budget(bo, acme)

    assert spent(acme, "61.00") == [50, 75, 100]

    [mail] = OutgoingMail.objects.all()
    assert "reached 100 % of the budget" in mail.subject


def test_only_superusers_let_a_budget_refuse_connections(sam, bo, acme):
    with pytest.raises(Forbidden):
        budget(bo, acme, action="block_new")

    assert budget(sam, acme, action="block_new").action == "block_new"


def blocks(acme):
    """Return what blocks Acme's WebSockets, and how often its routes have moved."""
    acme.refresh_from_db()
    state = state_of(acme, Product.objects.get(pk="websockets"), MID_OCTOBER)
    return state.block.by if state.block else "", acme.routes_revision


def test_a_budget_refuses_new_connections_at_100_percent_if_it_says_so(
    sam, acme, enabled
):
    budget(sam, acme, action="block_new")
    _, revision = blocks(acme)

    spent(acme, "49.99")
    assert blocks(acme) == ("", revision)

    spent(acme, "50.00")
    assert blocks(acme) == ("budget", revision + 1)
    assert noted(acme.pk)[-1] == "product.blocked"
    spent(acme, "51.00")
    assert blocks(acme) == ("budget", revision + 1)


def test_a_budget_that_only_notifies_blocks_nothing(bo, acme, enabled):
    budget(bo, acme)

    spent(acme, "60")

    assert blocks(acme)[0] == ""


@pytest.mark.parametrize("who", ["sam", "bo"])
def test_lifting_the_block_is_one_step(request, who, sam, acme, enabled):
    budget(sam, acme, action="block_new")
    spent(acme, "50")
    _, revision = blocks(acme)

    lift_block(request.getfixturevalue(who), account=acme, now=MID_OCTOBER)

    assert blocks(acme) == ("", revision + 1)
    assert Budget.objects.get().action == "notify"
    assert noted(acme.pk)[-2:] == ["budget.changed", "product.unblocked"]
    lift_block(sam, account=acme, now=MID_OCTOBER)
    assert noted(acme.pk)[-1] == "product.unblocked"


def test_a_higher_budget_and_the_next_month_end_the_block(sam, acme, enabled):
    budget(sam, acme, action="block_new")
    spent(acme, "50")

    budget(sam, acme, amount="80", action="block_new")
    assert blocks(acme)[0] == ""

    spent(acme, "90")
    assert blocks(acme)[0] == "budget"
    check_budget(JOB, account=acme, now=CLOSED)
    assert blocks(acme)[0] == ""


def test_the_next_month_ends_the_block_although_its_bill_is_refused(
    ada, sam, acme, enabled
):
    budget(sam, acme, action="block_new")
    spent(acme, "50")
    contract(ada, acme)
    Contract.objects.update(currency="EUR")  # in which nothing has a price

    assert refresh_bills(CLOSED) == 1

    assert blocks(acme)[0] == ""


def test_a_budget_is_set_in_the_contracts_currency_although_the_bill_is_refused(
    ada, sam, acme, enabled
):
    contract(ada, acme)
    Contract.objects.update(currency="EUR")  # in which nothing has a price

    with pytest.raises(Invalid) as refused:
        budget(sam, acme, currency="USD")
    budget(sam, acme, currency="EUR", action="block_new")

    assert refused.value.message == (
        "The account is billed in EUR. Enter the budget in it."
    )
    assert str(Budget.objects.get().amount) == "50.00 EUR"


def test_a_budget_that_is_refused_computes_no_bill(bo, acme, enabled):
    with pytest.raises(Forbidden):
        budget(bo, acme, action="block_new")

    assert not Invoice.objects.exists()


def test_a_budget_never_ends_what_something_else_blocked(sam, acme, enabled):
    Enablement.objects.update(blocked_at=MID_OCTOBER, blocked_reason="It ended.")

    budget(sam, acme, action="block_new")
    spent(acme, "50")
    lift_block(sam, account=acme, now=MID_OCTOBER)

    assert blocks(acme)[0] == "trial"


def end_connections(sam, acme, websockets):
    """Disable WebSockets for Acme."""
    disable(sam, account=acme, product=websockets, drain_mode="cut", now=MID_OCTOBER)


def test_a_product_that_is_enabled_again_is_still_blocked_by_the_budget(
    sam, acme, enabled, websockets
):
    budget(sam, acme, action="block_new")
    spent(acme, "50")

    end_connections(sam, acme, websockets)
    entitle(sam, acme, websockets, now=MID_OCTOBER)

    assert blocks(acme)[0] == "budget"
    enabling = ["product.enabled", "bill.changed", "product.blocked"]
    assert noted(acme.pk)[-3:] == enabling


def test_a_budget_that_is_used_up_while_the_product_is_disabled_blocks_it_from_the_start(
    sam, bo, acme, enabled, websockets
):
    budget(sam, acme, action="block_new")
    end_connections(sam, acme, websockets)
    spent(acme, "50")
    assert blocks(acme)[0] == ""
    refused = OutgoingMail.objects.filter(body__contains="connections are refused")
    assert not refused.exists()

    entitle(sam, acme, websockets, now=MID_OCTOBER)
    make_notices(now=MID_OCTOBER)

    assert blocks(acme)[0] == "budget"
    assert refused.get().to == bo.email


@pytest.mark.parametrize(
    "end_block",
    [
        lambda sam, acme: lift_block(sam, account=acme, now=MID_OCTOBER),
        lambda sam, acme: remove_budget(sam, account=acme, now=MID_OCTOBER),
        lambda sam, acme: budget(sam, acme, amount="80", action="block_new"),
        lambda sam, acme: budget(sam, acme, action="notify"),
        lambda sam, acme: check_budget(JOB, account=acme, now=CLOSED),
    ],
    ids=["lifted", "removed", "raised", "notifies", "next month"],
)
def test_a_block_that_ended_while_the_product_was_disabled_does_not_come_back(
    sam, acme, enabled, websockets, end_block
):
    budget(sam, acme, action="block_new")
    spent(acme, "50")
    end_connections(sam, acme, websockets)

    end_block(sam, acme)
    entitle(sam, acme, websockets, now=CLOSED)

    assert blocks(acme)[0] == ""
    assert not BudgetBlock.objects.exists()


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"amount": "0"}, "amount"),
        ({"thresholds": ()}, "thresholds"),
        ({"thresholds": (0,)}, "thresholds"),
        ({"thresholds": range(1, 12)}, "thresholds"),
        ({"action": "stop"}, "action"),
    ],
)
def test_an_impossible_budget_is_refused_at_its_field(bo, acme, fields, field):
    with pytest.raises(Invalid) as refused:
        budget(bo, acme, **fields)

    assert refused.value.field == field
    assert noted(acme.pk) == []


def test_a_budget_in_another_currency_than_the_bill_is_refused(bo, acme, enabled):
    with pytest.raises(Invalid) as refused:
        set_budget(
            bo,
            account=acme,
            amount=Money.of("5", "EUR"),
            thresholds=(50,),
            action="notify",
            now=MID_OCTOBER,
        )

    assert refused.value.field == "currency"
    assert not Budget.objects.exists()


def contract(ada, acme, month=OCTOBER, now=MID_OCTOBER, **fields):
    return assign_contract(
        ada,
        account=acme,
        terms=ContractTerms(**fields),
        from_month=month,
        reason="Signed",
        now=now,
    )


def test_an_invoice_has_the_buyer_and_payment_terms_of_the_contract(ada, acme, enabled):
    contract(ada, acme, buyer="Acme Ltd, 1 High Street", payment_terms_days=14)

    invoice = finalize_invoice(JOB, account=acme, month=OCTOBER, now=CLOSED)

    assert invoice.buyer == "Acme Ltd, 1 High Street"
    assert invoice.due_on == (CLOSED + timedelta(days=14)).date()


def test_a_new_billing_zone_starts_where_the_last_month_ended(ada, acme):
    november = OCTOBER.plus(1)
    contract(ada, acme, month=november, billing_zone="America/New_York")

    assert period_of(acme, OCTOBER).ends_at == datetime(2026, 11, 1, tzinfo=UTC)
    assert period_of(acme, november).starts_at == datetime(2026, 11, 1, tzinfo=UTC)
    assert period_of(acme, november).ends_at == datetime(2026, 12, 1, 5, tzinfo=UTC)
    assert noted(acme.pk) == ["contract.assigned", "billing_zone.changed"]


def test_usage_and_bills_have_the_months_of_the_contract(
    ada, acme, shop, enabled, draft, eve
):
    november, berlin = OCTOBER.plus(1), "Europe/Berlin"
    activate(eve, version=draft, now=MID_OCTOBER)
    contract(ada, acme, month=november, billing_zone=berlin)
    ends_at = datetime(2026, 11, 30, 23, tzinfo=UTC)
    edge = make_edge(created_at=MID_OCTOBER)
    # Five minutes across the end of November in Berlin, and an hour of HTTP on each side of it.
    take(
        edge,
        record(
            1,
            service=shop.pk,
            month="2026-11",
            started_at=ends_at - timedelta(minutes=2),
            duration_us=300 * SECOND_US,
            bytes_to_client=0,
            bytes_from_client=10**9,
        ),
        delivery(service=shop.pk, hour=ends_at - HOUR, bytes_to_client=10**9),
        delivery(service=shop.pk, hour=ends_at, bytes_to_client=10**12),
        now=ends_at + HOUR,
    )
    rebuild_usage(now=ends_at + HOUR)
    Edge.objects.update(reported_at=ends_at + 4 * DAY)

    invoice = finalize_invoice(JOB, account=acme, month=november, now=ends_at + 4 * DAY)

    (route,) = RouteTableCache().table(epoch="", revision=1, now=MID_NOVEMBER).routes
    used = usage_of(acme.pk, november)
    period = UsagePeriod.objects.get(service=shop.pk, month="2026-11")
    charged = invoice.lines.filter(kind="usage")
    billed = dict(charged.values_list("meter", "quantity"))
    assert (invoice.starts_at, invoice.ends_at) == (OCTOBER.ends_at("UTC"), ends_at)
    assert (route.month, route.month_ends_at) == ("2026-11", ends_at)
    assert used.total.minutes == period.minutes == billed["connection_time"] == 2
    delivered = used.total_delivery.bytes_to_client
    assert delivered == period.delivery_bytes_to_client == 10**9
    assert billed["bandwidth"] == 2 * 10**9 + 900


def test_a_later_contract_keeps_the_months_that_have_passed(ada, acme):
    contract(ada, acme, month=OCTOBER.plus(1), billing_zone="Asia/Tokyo")
    contract(ada, acme, month=OCTOBER.plus(2), billing_zone="UTC", now=MID_NOVEMBER)
    contract(ada, acme, month=OCTOBER.plus(2), billing_zone="Asia/Kolkata")

    account = Account.objects.get(pk=acme.pk)
    zones = [period_of(account, OCTOBER.plus(each)).zone for each in range(4)]
    assert zones == ["UTC", "Asia/Tokyo", "Asia/Kolkata", "Asia/Kolkata"]


def test_another_currency_needs_prices_in_it(ada, acme, enabled):
    contract(ada, acme)
    before = noted(acme.pk)

    with pytest.raises(Invalid) as refused:
        contract(ada, acme, currency="EUR")

    assert refused.value.field == "currency"
    assert refused.value.message == (
        "Acme is billed in EUR, but these products have prices in another currency: delivery, "
        "websockets. Ask sales@tollgate.invalid for own prices of the account in EUR."
    )
    assert noted(acme.pk) == before
    assert Contract.objects.get().currency == "USD"


def test_a_change_of_the_currency_is_noted(ada, acme):
    contract(ada, acme)
    contract(ada, acme, currency="EUR")

    assert noted(acme.pk)[-1] == "billing_currency.changed"


def test_prices_in_another_currency_than_the_contract_are_not_billed(
    ada, acme, enabled
):
    contract(ada, acme)
    Contract.objects.update(currency="EUR")

    with pytest.raises(Conflict) as refused:
        finalize_invoice(JOB, account=acme, month=OCTOBER, now=CLOSED)

    assert refused.value.code == "currency_conflict"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"currency": "XYZ"}, "currency"),
        ({"billing_zone": "Mars/Phobos"}, "billing_zone"),
        ({"payment_terms_days": 366}, "payment_terms_days"),
        ({"buyer": "n" * 501}, "buyer"),
        ({"tax_note": "a null byte: \0"}, "tax_note"),
        ({"month": Month(2026, 9)}, "from_month"),
        ({"billing_zone": "Europe/Berlin"}, "from_month"),
    ],
)
def test_an_impossible_contract_is_refused_at_its_field(ada, acme, fields, field):
    with pytest.raises(Invalid) as refused:
        contract(ada, acme, **fields)

    assert refused.value.field == field
    assert not Contract.objects.exists()
