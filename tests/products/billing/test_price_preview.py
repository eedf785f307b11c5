"""What staff see before they publish a price: what it changes for each account."""

from datetime import UTC, datetime, timedelta

from products.billing.queries import computed_bill
from products.billing.queries import price_preview as module
from products.billing.queries.price_preview import price_preview
from products.catalogue.commands import add_plan
from products.catalogue.models import Plan
from products.catalogue.prices import NewPrice
from products.enablement.commands import change_price
from products.metering.commands import rebuild_usage
from products.metering.models import UsagePeriod
from tests.factories.accounts import AccountFactory
from tests.factories.services import ServiceFactory
from tests.factories.usage import connection_usage, delivery_usage
from tests.factories.world import CATALOGUE
from tests.products.billing.conftest import MID_OCTOBER, OCTOBER, SEPTEMBER
from tests.products.billing.prices import tiered, usd

MID_NOVEMBER = datetime(2026, 11, 15, tzinfo=UTC)
DECEMBER_1 = datetime(2026, 12, 1, tzinfo=UTC)
QUERIES = 8
DEARER = {"tiers": tiered([("1", "0.80"), (None, "0.50")]).tiers, "currency": "USD"}


def new_price(meter="connection_time", **fields):
    return NewPrice(meter=meter, **DEARER | fields)


def preview(plan, price, *, now=MID_NOVEMBER, at=DECEMBER_1):
    return price_preview(plan, price, effective_from=at, now=now)


def used(account, month, minutes):
    """Save the usage of a month as the sweep derives it."""
    service = account.services.first() or ServiceFactory.create(account=account)
    return UsagePeriod.objects.create(
        account_id=account.pk, service=service.pk, month=month, minutes=minutes
    )


def holders(names, standard):
    """Create accounts that have the plan of everyone."""
    accounts = [AccountFactory.create(name=name) for name in names]
    for each in accounts:
        each.enablements.create(
            product=standard.product,
            plan=standard,
            source="direct",
            starts_at=SEPTEMBER,
        )
    return accounts


def test_the_amounts_equal_the_invoices_of_the_same_usage(
    acme, shop, enabled, standard
):
    price = new_price(fee_micros=25_990_000, included_units=1)
    december = DECEMBER_1 + timedelta(days=2)
    for number in range(200):
        connection_usage(shop, MID_OCTOBER, 12_345, name=f"o{number}")
        connection_usage(shop, december, 12_345, month="2026-12", name=f"d{number}")
    rebuild_usage(now=MID_NOVEMBER)

    [change] = preview(standard, price).changes
    change_price(
        CATALOGUE,
        plan=standard,
        price=price,
        effective_from=DECEMBER_1,
        now=MID_NOVEMBER,
    )

    later = DECEMBER_1 + timedelta(days=40)
    before = computed_bill(acme, OCTOBER, later)
    after = computed_bill(acme, OCTOBER.plus(2), later)
    assert (change.before, change.after) == (before.subtotal, after.subtotal)
    assert change.difference == after.subtotal - before.subtotal
    assert change.used_text == "2,469,000 minutes"
    assert change.use.month_text == "October 2026"


def test_the_amounts_of_delivery_equal_the_invoice(acme, shop, websockets):
    delivery = Plan.objects.get(product="delivery", account=None)
    delivery_usage(shop, MID_OCTOBER, 345_678_912_345)
    connection_usage(shop, MID_OCTOBER, 5, bytes_to_client=1_000_000_000)
    rebuild_usage(now=MID_NOVEMBER)

    [change] = preview(delivery, new_price("bandwidth")).changes

    assert change.before == computed_bill(acme, OCTOBER, MID_NOVEMBER).subtotal
    assert change.before != usd("0")
    assert change.used_text == "347 GB"


def test_an_account_with_a_price_of_its_own_is_not_touched(
    ada, acme, enabled, standard, websockets
):
    [globex] = holders(["Globex"], standard)
    own = add_plan(
        ada,
        product=websockets,
        kind="direct",
        name="Own",
        account=globex,
        now=MID_OCTOBER,
    )
    before = preview(standard, new_price())
    change_price(
        CATALOGUE,
        plan=own,
        price=new_price(),
        effective_from=DECEMBER_1,
        now=MID_NOVEMBER,
    )

    found = preview(standard, new_price())

    assert [each.account for each in before.changes] == [acme, globex]
    assert before.own_price == ()
    assert [each.account for each in found.changes] == [acme]
    assert found.own_price == (globex,)


def test_an_account_without_usage_pays_nothing_at_either_price(enabled, standard):
    found = preview(standard, new_price())

    [change] = found.changes
    assert (change.before, change.after) == (usd("0"), usd("0"))
    assert change.use.month_text == "November 2026 so far"
    assert change.difference_text == "0.00 USD"
    assert [each.text for each in found.totals] == ["0.00 USD before, 0.00 USD after"]


def test_the_running_month_counts_until_there_is_a_whole_one(acme, enabled, standard):
    used(acme, "2026-11", 1_000_000)

    [change] = preview(standard, new_price()).changes

    assert (change.before, change.after) == (usd("0.60"), usd("0.80"))
    assert change.use.is_running


def test_a_price_in_another_currency_has_no_difference_but_a_total_in_each(
    ada, acme, enabled, websockets
):
    own = add_plan(
        ada,
        product=websockets,
        kind="direct",
        name="Own",
        account=acme,
        now=MID_OCTOBER,
    )
    used(acme, "2026-10", 1_000_000)

    found = preview(own, new_price(currency="EUR"))

    [change] = found.changes
    assert (str(change.before), str(change.after)) == ("0.60 USD", "0.80 EUR")
    assert change.difference is None
    assert [
        (each.currency, each.before, each.difference_text) for each in found.totals
    ] == [
        ("EUR", None, "–"),
        ("USD", usd("0.60"), "–"),
    ]


def test_the_largest_rise_comes_first_and_the_total_has_also_what_is_not_listed(
    monkeypatch, standard, django_assert_num_queries
):
    monkeypatch.setattr(module, "MAX_LISTED", 2)
    accounts = holders(["A", "B", "C"], standard)
    accounts[0].billing_zone = "Asia/Tokyo"
    accounts[0].save()
    for minutes, account in enumerate(accounts, 1):
        used(account, "2026-10", minutes * 1_000_000)

    with django_assert_num_queries(QUERIES):
        found = preview(standard, new_price(tiers=tiered([(None, "0.70")]).tiers))

    assert [str(each.account) for each in found.listed] == ["C", "B"]
    assert found.more_changes == 1
    assert [each.difference_text for each in found.changes] == [
        *("+0.30 USD", "+0.20 USD", "+0.10 USD"),
    ]
    [total] = found.totals
    assert (total.before, total.after) == (usd("3.60"), usd("4.20"))
    assert total.difference_text == "+0.60 USD"
    assert found.changes[-1].starts_text == "1 December 2026, 00:00 JST"
    assert found.changes[0].starts_text == "1 December 2026, 00:00 UTC"


def test_the_number_of_queries_does_not_depend_on_the_accounts(
    standard, django_assert_num_queries
):
    holders(["A"], standard)
    with django_assert_num_queries(QUERIES):
        preview(standard, new_price())
    holders(["B", "C", "D"], standard)

    with django_assert_num_queries(QUERIES):
        found = preview(standard, new_price())

    assert len(found.changes) == 4
