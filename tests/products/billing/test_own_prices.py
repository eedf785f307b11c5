"""An account's own price for a product that it already has: from when it counts, and refusals."""

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from accounts.actor import Actor
from accounts.audit.models import AuditEvent
from accounts.commands.notices import make_notices
from accounts.errors import Invalid
from accounts.models import Notice
from products.billing.commands.closing import finalize_invoice
from products.billing.commands.contracts import ContractTerms, assign_contract
from products.billing.commands.corrections import correct_month
from products.billing.queries.bills import computed_bill
from products.billing.queries.terms import terms_of
from products.catalogue.commands import PriceRiseTooEarly, add_plan
from products.catalogue.prices import NewPrice
from products.catalogue.queries import direct_price
from products.enablement.commands import assign_package, change_price, disable
from products.enablement.queries import accounts_on
from products.metering.models import ConnectionUsage
from products.months import Month
from products.web.price_display import price_changes
from tests.factories.trail import noted
from tests.factories.usage import connection_usage
from tests.factories.world import CATALOGUE
from tests.products.billing.conftest import CLOSED, MID_OCTOBER, OCTOBER
from tests.products.billing.prices import tiered

OCTOBER_1 = datetime(2026, 10, 1, tzinfo=UTC)
NOVEMBER_1 = datetime(2026, 11, 1, tzinfo=UTC)
BEFORE = MID_OCTOBER - timedelta(days=3)
JOB = Actor.system("bill-accounts")
CHEAPER = (("10", "0.50"), (None, "0.30"))
DEARER = ((None, "0.70"),)
MINUTES_OF_A_DAY = 1_440


@pytest.fixture
def own(ada, acme, websockets):
    """A plan of Acme alone, without a price."""
    return add_plan(
        ada,
        product=websockets,
        kind="direct",
        name="Contract",
        account=acme,
        now=BEFORE,
    )


def new_price(tiers, **rest):
    values = {
        "currency": "USD",
        "meter": "connection_time",
        "tiers": tiered(tiers).tiers,
    }
    return NewPrice(**values | rest)


def publish(actor, plan, tiers, *, at=MID_OCTOBER, now=MID_OCTOBER, **rest):
    return change_price(
        actor, plan=plan, price=new_price(tiers, **rest), effective_from=at, now=now
    )


def rated(lines):
    return [
        (line.price.plan_id, line.quantity, line.tier_start, line.amount)
        for line in lines
        if line.kind == "usage" and line.meter == "connection_time"
    ]


def minutes(shop, start, total):
    """Save connections of a day each, from an instant on, and one with the rest."""
    days, rest = divmod(total, MINUTES_OF_A_DAY)
    for number in range(days):
        connection_usage(
            shop, start, MINUTES_OF_A_DAY, month="2026-10", name=f"{start.day}.{number}"
        )
    if rest:
        connection_usage(shop, start, rest, month="2026-10", name=f"{start.day}.rest")


def test_a_lower_price_counts_immediately_and_continues_in_the_tiers(
    ada, acme, shop, enabled, standard, own
):
    publish(ada, own, CHEAPER)
    minutes(shop, BEFORE, 2_000)
    minutes(shop, MID_OCTOBER, 3_000)

    bill = computed_bill(acme, OCTOBER, CLOSED)

    before, after = rated(bill.lines)
    assert before[:3] == (standard.pk, 2_000, 0)
    assert after[:3] == (own.pk, 3_000, 2_000)
    assert direct_price("websockets", CLOSED, account=acme).plan == own
    invoice = finalize_invoice(
        JOB, account=acme, month=OCTOBER, now=CLOSED, override_reason="No edge"
    )
    assert invoice.lines.filter(kind="usage").count() == 2


def test_fewer_minutes_that_cost_more_are_billed_with_the_next_month(
    ada, acme, shop, enabled, own
):
    publish(ada, own, [(None, "0.10")])
    minutes(shop, MID_OCTOBER, 500_400)
    finalize = partial(finalize_invoice, JOB, account=acme, override_reason="No edge")
    finalize(month=OCTOBER, now=CLOSED)
    last = ConnectionUsage.objects.order_by("-pk")[:70]
    ConnectionUsage.objects.filter(pk__in=[row.pk for row in last]).delete()
    minutes(shop, BEFORE, 50_400)

    correct_month(JOB, account=acme, month=OCTOBER, now=CLOSED)

    invoice = finalize(month=OCTOBER.plus(1), now=CLOSED + timedelta(days=31))
    line = invoice.lines.get(kind="adjustment")
    assert line.quantity < 0
    assert str(invoice.subtotal) == "0.02 USD"


def test_a_rise_waits_for_the_next_month(ada, acme, enabled, standard, own):
    with pytest.raises(PriceRiseTooEarly):
        publish(ada, own, DEARER)
    assert not own.prices.exists()

    publish(ada, own, DEARER, at=NOVEMBER_1)

    october, november = terms_of(acme, OCTOBER), terms_of(acme, OCTOBER.plus(1))
    assert plans_of(october) == [standard.pk]
    assert plans_of(november) == [own.pk]
    assert noted(acme.pk)[-1] == "price.published"


def plans_of(terms):
    return [each.plan_id for each in terms.segments if each.meter == "connection_time"]


def test_the_terms_of_a_month_take_a_constant_number_of_queries(
    acme, enabled, own, django_assert_num_queries
):
    with django_assert_num_queries(4):
        terms_of(acme, OCTOBER)


def test_the_account_gets_a_notice_and_no_longer_one_of_the_price_of_everyone(
    ada, acme, bo, enabled, standard, own
):
    publish(ada, own, CHEAPER)
    make_notices(now=MID_OCTOBER)

    [notice] = Notice.objects.filter(user_id=bo.user_id, topic="prices")
    assert "Contract version 1" in notice.sentence
    assert notice.details.splitlines() == [
        (
            "Price: 0.50 USD per million connection minutes for the first 10 million, "
            "0.30 USD per million connection minutes above 10 million."
        ),
        (
            "Before: 0.60 USD per million connection minutes for the first 10 million, "
            "0.50 USD per million connection minutes for the next 90 million, "
            "0.40 USD per million connection minutes above 100 million."
        ),
    ]
    assert acme in accounts_on(standard, MID_OCTOBER - timedelta(seconds=1))
    assert acme not in accounts_on(standard, MID_OCTOBER)
    assert list(accounts_on(own, MID_OCTOBER)) == [acme]


def test_the_notice_of_a_withdrawn_price_is_one_sentence(
    ada, acme, bo, enabled, standard
):
    december = datetime(2026, 12, 1, tzinfo=UTC)
    publish(ada, standard, DEARER, at=december)
    make_notices(now=MID_OCTOBER)
    publish(
        ada, standard, CHEAPER, at=december, fee_micros=9_000_000, unit_mode="block"
    )
    make_notices(now=MID_OCTOBER)

    _, withdrawn, corrected = Notice.objects.filter(
        user_id=bo.user_id, topic="prices"
    ).order_by("sequence")
    assert withdrawn.details == "Withdrawn: 0.70 USD per million connection minutes."
    assert (
        "A fee of 9.00 USD per month is charged too. A started million is billed as a whole one."
        in corrected.details
    )


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"at": OCTOBER_1 - timedelta(seconds=1)}, "effective_from"),
        ({"meter": "bandwidth"}, "meter"),
        ({"currency": "EUR", "at": NOVEMBER_1 + timedelta(days=1)}, "currency"),
    ],
)
def test_a_price_that_no_bill_could_have_is_refused(
    ada, acme, enabled, own, changes, field
):
    entries = noted(acme.pk)

    with pytest.raises(Invalid) as refused:
        publish(ada, own, CHEAPER, **changes)

    assert refused.value.field == field
    assert not own.prices.exists()
    assert noted(acme.pk) == entries


def test_another_currency_starts_with_a_month(ada, acme, enabled, own):
    publish(ada, own, CHEAPER, currency="EUR", at=NOVEMBER_1)

    prices = [each.price.currency for each in terms_of(acme, OCTOBER).segments]
    assert set(prices) == {"USD"}


def test_a_package_keeps_its_own_price(ada, acme, websockets, own):
    package = add_plan(ada, product=websockets, kind="package", name="Chat", now=BEFORE)
    publish(ada, package, CHEAPER, at=BEFORE, now=BEFORE)
    assign_package(ada, account=acme, plan=package, now=BEFORE)

    publish(ada, own, DEARER)

    assert plans_of(terms_of(acme, OCTOBER)) == [package.pk]


def test_a_product_disabled_before_its_own_price_keeps_the_first(
    sam, ada, acme, enabled, websockets, standard, own
):
    publish(ada, own, DEARER, at=NOVEMBER_1)
    disable(sam, account=acme, product=websockets, drain_mode="cut", now=MID_OCTOBER)

    assert plans_of(terms_of(acme, OCTOBER)) == [standard.pk]
    assert plans_of(terms_of(acme, OCTOBER.plus(1))) == []


def test_a_package_of_an_account_has_prices_of_its_own_and_is_for_it_alone(
    ada, acme, globex, shop, websockets
):
    package = add_plan(
        ada,
        product=websockets,
        kind="package",
        name="Acme only",
        account=acme,
        now=BEFORE,
    )
    publish(ada, package, DEARER, at=BEFORE, now=BEFORE, included_units=1)
    with pytest.raises(Invalid) as refused:
        assign_package(ada, account=globex, plan=package, now=BEFORE)
    assign_package(ada, account=acme, plan=package, now=BEFORE)
    minutes(shop, BEFORE, 2_000)

    assert refused.value.field == "plan"
    assert noted(globex.pk) == []
    included = [
        (line.price.plan_id, line.quantity)
        for line in computed_bill(acme, OCTOBER, CLOSED).lines
        if line.kind == "allowance"
    ]
    assert included == [(package.pk, 2_000)]
    assert list(accounts_on(package, BEFORE)) == [acme]


def test_the_bill_that_ends_is_noted_with_the_account_s_own_price(
    sam, ada, acme, enabled, websockets, standard, own
):
    version = publish(ada, own, CHEAPER)
    disable(sam, account=acme, product=websockets, drain_mode="cut", now=CLOSED)

    [opened, closed] = AuditEvent.objects.filter(
        account_id=acme.pk, action="bill.changed"
    ).order_by("sequence")
    assert opened.body["after"]["plan"] == standard.name
    assert closed.body["before"]["plan"] == own.name
    assert closed.body["before"]["price_version"] == version.pk


def berlin_from_december(ada, acme):
    assign_contract(
        ada,
        account=acme,
        terms=ContractTerms(billing_zone="Europe/Berlin"),
        from_month=Month(2026, 12),
        reason="Signed",
        now=MID_OCTOBER,
    )


@pytest.mark.parametrize("of_everyone", [True, False])
def test_an_announced_price_starts_with_the_month_of_the_zone_that_counts_then(
    ada, acme, shop, enabled, standard, own, of_everyone
):
    first = publish(ada, own, CHEAPER) if not of_everyone else None
    january = datetime(2027, 1, 1, tzinfo=UTC)
    dearer = publish(
        CATALOGUE, standard if of_everyone else own, [(None, "9")], at=january
    )

    berlin_from_december(ada, acme)

    acme.refresh_from_db()
    start = datetime(2026, 12, 31, 23, tzinfo=UTC)
    shown = price_changes(acme, MID_OCTOBER)["websockets"]
    before, after = (
        direct_price("websockets", when, account=acme)
        for when in (start - timedelta(microseconds=1), start)
    )
    december, in_january = (
        [each.price for each in terms_of(acme, month).segments if each.price]
        for month in (Month(2026, 12), Month(2027, 1))
    )
    assert shown.effective_from == start
    assert (before, after) == (first or standard.prices.get(number=1), dearer)
    assert dearer.pk not in {each.version_id for each in december}
    assert dearer.pk in {each.version_id for each in in_january}
    assert start in {each.effective_from for each in in_january}
    assert direct_price("websockets", start).number == 1
    notes = AuditEvent.objects.filter(account_id=acme.pk, action="price.published")
    assert notes.order_by("sequence").last().body["after"]["effective_from"] == (
        start.isoformat()
    )


def test_an_announced_price_is_replaced_after_the_zone_has_changed(
    ada, acme, enabled, own
):
    publish(ada, own, CHEAPER)
    announced = publish(ada, own, DEARER, at=datetime(2027, 1, 1, tzinfo=UTC))
    berlin_from_december(ada, acme)
    start = datetime(2026, 12, 31, 23, tzinfo=UTC)

    corrected = publish(ada, own, CHEAPER, at=start)

    announced.refresh_from_db()
    assert announced.withdrawn_at == MID_OCTOBER
    assert direct_price("websockets", start, account=acme) == corrected


def test_a_rise_of_everyone_waits_for_months_that_have_started_nowhere(
    ada, acme, enabled, standard
):
    late_in_october = datetime(2026, 10, 31, 12, tzinfo=UTC)

    with pytest.raises(PriceRiseTooEarly, match="2026-12-01"):
        publish(CATALOGUE, standard, [(None, "9")], at=NOVEMBER_1, now=late_in_october)
