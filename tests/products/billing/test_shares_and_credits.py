"""Shares, fees, allowances, credits and thresholds: the worked examples and their properties."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given as generated
from hypothesis import strategies as st

from products.billing.bill import (
    CONNECTION_TIME,
    Fee,
    Holding,
    PlanPrice,
    SegmentUsage,
    Terms,
    fees_of,
    lines_of,
    segments_of,
    subtotal,
)
from products.billing.credit_use import (
    AvailableCredit,
    CreditUse,
    credits_used,
    thresholds_reached,
)
from products.billing.rating import rate
from products.billing.shares import shares
from products.catalogue.money import Money
from tests.products.billing.prices import tiered, usd
from tests.products.vectors import given

MARCH = datetime(2026, 3, 1, tzinfo=UTC)
APRIL = datetime(2026, 4, 1, tzinfo=UTC)
STANDARD = [["10", "0.60"], ["100", "0.50"], [None, "0.40"]]
QUANTITIES = st.integers(0, 10**12)


def price(tiers=STANDARD, *, number=1, plan="p", start=MARCH, end=None, **rest):
    return PlanPrice(
        version_id=f"v{number}",
        number=number,
        plan_id=plan,
        product="websockets",
        meter=CONNECTION_TIME,
        currency="USD",
        price=tiered(tiers),
        effective_from=start,
        effective_to=end,
        **rest,
    )


def held(start=MARCH, end=None, *, plan="p", is_trial=False, price_group=""):
    return Holding(
        price_group=price_group,
        product="websockets",
        plan_id=plan,
        is_trial=is_trial,
        starts_at=start,
        ends_at=end,
        counts_until=end,
    )


def bill(holdings, prices, used):
    """Return the lines of March, with so many minutes in each segment."""
    segments = segments_of(holdings, prices, MARCH, APRIL)
    terms = Terms(
        starts_at=MARCH,
        ends_at=APRIL,
        zone="UTC",
        currency="USD",
        segments=tuple(segments),
        fees=tuple(fees_of(holdings, prices, MARCH, APRIL, "UTC")),
    )
    usage = [SegmentUsage(by_service={"s": each}) for each in used]
    return lines_of(terms, usage)


def in_short(lines):
    return [(each.kind, each.quantity, each.amount) for each in lines]


def test_v11_an_amount_is_split_by_the_largest_remainder():
    given_, expect = given("V11")
    weights = dict(zip("abc", given_["service_minutes"], strict=True))

    parts = shares(usd(expect["account_amount"]), weights)

    assert list(parts.values()) == [usd(each) for each in expect["allocated"]]


def test_v12_a_price_change_cuts_the_month_and_keeps_the_position():
    given_, expect = given("V12")
    cut = datetime(2026, 3, 16, tzinfo=UTC)
    prices = [
        price(given_["A"], end=cut),
        price(given_["B"], number=2, start=cut),
    ]

    lines = bill([held()], prices, [given_["before_cut"], given_["after_cut"]])

    assert [each.amount for each in lines] == [
        usd(expect["line_A"]),
        usd(expect["line_B"]),
    ]
    assert lines[1].tier_start == given_["before_cut"]
    assert subtotal(lines, "USD") == usd(expect["total"])


def test_v12_holds_for_an_own_plan_that_follows_the_plan_of_everyone():
    given_, expect = given("V12")
    cut = datetime(2026, 3, 16, tzinfo=UTC)
    holdings = [
        held(end=cut, price_group="websockets"),
        held(cut, plan="own", price_group="websockets"),
    ]
    prices = [price(given_["A"]), price(given_["B"], number=2, plan="own", start=cut)]

    lines = bill(holdings, prices, [given_["before_cut"], given_["after_cut"]])

    assert subtotal(lines, "USD") == usd(expect["total"])


def test_an_own_plan_within_a_month_neither_repeats_the_fee_nor_loses_the_allowance():
    cut = datetime(2026, 3, 16, tzinfo=UTC)
    holdings = [
        held(end=cut, price_group="websockets"),
        held(cut, plan="own", price_group="websockets"),
    ]
    with_fee = {"fee_micros": 500_000_000, "included": 5_000_000}
    prices = [price(**with_fee), price(number=2, plan="own", start=cut, **with_fee)]

    lines = bill(holdings, prices, [3_000_000, 3_000_000])

    assert in_short(lines) == [
        ("fee", 1, usd("500.00")),
        ("allowance", 3_000_000, usd("0.00")),
        ("allowance", 2_000_000, usd("0.00")),
        ("usage", 1_000_000, usd("0.60")),
    ]


@pytest.mark.parametrize("is_daily, key", [(False, "none"), (True, "daily")])
def test_v15_a_fee_is_charged_whole_or_by_days(is_daily, key):
    _, expect = given("V15")
    package = price(fee_micros=500_000_000, is_daily=is_daily)
    ends_at = datetime(2026, 3, 20, 10, tzinfo=UTC)

    [line] = bill([held(end=ends_at)], [package], [0])

    assert line.amount == usd(expect[key])
    assert line.quantity == (20 if is_daily else 1)


def test_v15_the_exact_fee_is_kept():
    _, expect = given("V15")
    fee = Fee(
        price=price(fee_micros=500_000_000, is_daily=True), days=20, days_in_month=31
    )

    assert round(fee.exact, 12) == Decimal(expect["daily_exact"])


def test_v16_trial_minutes_are_free_and_do_not_advance_the_tiers():
    given_, expect = given("V16")
    cut = datetime(2026, 3, 16, tzinfo=UTC)
    holdings = [held(end=cut, plan="t", is_trial=True), held(cut)]

    lines = bill(
        holdings,
        [price(given_["tiers"]), price(number=2, plan="t")],
        [given_["trial_minutes"], given_["paid_minutes"]],
    )

    assert in_short(lines) == [
        ("trial", given_["trial_minutes"], usd(expect["trial_billed"])),
        ("usage", given_["paid_minutes"], usd(expect["paid"])),
    ]


def test_v18_a_package_has_a_fee_an_allowance_and_overage():
    given_, expect = given("V18")
    package = price(
        given_["overage_tiers"], fee_micros=500_000_000, included=given_["included"]
    )

    lines = bill([held()], [package], [given_["used"]])

    assert in_short(lines) == [
        ("fee", 1, usd(given_["fee"])),
        ("allowance", given_["included"], usd("0")),
        ("usage", expect["overage_minutes"], usd(expect["overage"])),
    ]
    assert subtotal(lines, "USD") == usd(expect["invoice"])


def test_v19_a_package_that_begins_within_a_month_has_its_part_by_days():
    given_, expect = given("V19")
    package = price(fee_micros=500_000_000, included=given_["included"], is_daily=True)
    starts_at = datetime(2026, 3, 15, tzinfo=UTC)

    [fee, allowance] = bill(
        [held(starts_at)], [package], [expect["allowance_minutes_floor"]]
    )

    assert (fee.amount, fee.quantity) == (usd(expect["fee"]), given_["active_dates"])
    assert allowance.quantity == expect["allowance_minutes_floor"]


def test_v26_credits_that_expire_first_are_used_first():
    given_, expect = given("V26")
    available = [
        AvailableCredit(index, usd(amount), date.fromisoformat(name.split()[1]))
        for index, (name, amount) in enumerate(given_["credits"])
    ]

    used = credits_used(usd(given_["subtotal"]), reversed(available))

    assert used == [
        CreditUse(index, usd(amount)) for index, amount in enumerate(expect["applied"])
    ]


def test_v27_each_threshold_is_reached_once():
    given_, expect = given("V27")
    fired: list[int] = []
    found = []
    for amount in given_["running"]:
        reached = thresholds_reached(
            usd(amount), usd(given_["budget"]), [50, 75, 100], fired
        )
        fired += reached
        found.append(f"{reached[0]}%" if reached else None)

    assert found == expect["fires"]


MINUTES = st.lists(st.integers(0, 10**9), min_size=1, max_size=6)


@generated(
    st.integers(0, 10**12),
    st.dictionaries(st.text("abc", min_size=1, max_size=3), st.integers(0, 10**12)),
    st.sampled_from(["USD", "JPY", "KWD"]),
)
def test_shares_add_up_to_the_amount(units, weights, currency):
    step = {"USD": 10_000, "JPY": 1_000_000, "KWD": 1_000}[currency]
    amount = Money(units * step, currency)

    parts = shares(amount, weights)

    whole = sum((each.micros for each in parts.values()), 0)
    assert whole == (amount.micros if sum(weights.values()) else 0)
    assert all(each.micros >= 0 for each in parts.values())


@generated(MINUTES)
def test_the_cuts_of_a_month_change_no_exact_amount(used):
    cuts = [MARCH + timedelta(days=day) for day in range(len(used))]
    prices = [
        price(number=number, start=start, end=end)
        for number, (start, end) in enumerate(zip(cuts, [*cuts[1:], None], strict=True))
    ]

    lines = bill([held()], prices, used)

    whole = rate(tiered(STANDARD), sum(used)).exact
    assert sum((each.exact for each in lines), Decimal(0)) == whole
    assert sum(each.quantity for each in lines) == sum(used)


@generated(QUANTITIES, QUANTITIES)
def test_a_charge_and_its_credit_cancel_out(first, second):
    one, other = (rate(tiered(STANDARD), each) for each in (first, second))

    forth = other.rounded("USD") - one.rounded("USD")
    back = one.rounded("USD") - other.rounded("USD")

    assert (forth + back).micros == 0
    assert Money.rounded(-one.exact, "USD") == -one.rounded("USD")


@generated(st.lists(QUANTITIES, min_size=1, max_size=8))
def test_what_was_billed_after_any_corrections_is_the_rounded_amount(history):
    ladder = tiered(STANDARD)
    billed = Money(0, "USD")
    for quantity in history:
        billed += rate(ladder, quantity).rounded("USD") - billed

    assert billed == rate(ladder, history[-1]).rounded("USD")


@generated(st.integers(0, 10**15), st.lists(st.integers(1, 10**12), max_size=6))
def test_credits_are_never_used_beyond_the_subtotal_or_what_is_left(subtotal_, left):
    available = [
        AvailableCredit(index, Money(each, "USD")) for index, each in enumerate(left)
    ]

    used = credits_used(Money(subtotal_, "USD"), available)

    assert sum(each.amount.micros for each in used) == min(subtotal_, sum(left))
    assert all(0 < each.amount.micros <= left[each.id] for each in used)
