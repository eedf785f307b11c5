"""Credits pay bills, and budgets are reached, exactly."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from products.billing.credits import Credit, CreditUse, spend, thresholds_reached
from products.catalogue.money import CurrencyMismatch, Money, total
from tests.products import vectors
from tests.products.billing.prices import usd

CREDITS = st.lists(
    st.builds(
        Credit,
        st.uuids().map(str),
        st.integers(0, 10**9).map(lambda micros: Money(micros, "USD")),
        st.none() | st.dates(),
    ),
    max_size=6,
)


def test_v26_the_credit_that_expires_first_is_spent_first_and_due_is_never_negative():
    given, expect = vectors.given("V26")
    credits_ = [
        Credit(words, usd(left), date.fromisoformat(words.removeprefix("expires ")))
        for words, left in reversed(given["credits"])
    ]
    subtotal = usd(given["subtotal"])

    spent = spend(subtotal, credits_)

    assert spent == tuple(
        CreditUse(words, usd(amount))
        for (words, _), amount in zip(given["credits"], expect["applied"], strict=True)
    )
    assert subtotal - total(tuple(each.amount for each in spent), "USD") == usd(
        expect["due"]
    )


def test_a_credit_without_an_end_is_spent_last_and_an_empty_one_not_at_all():
    day = date(2026, 5, 1)
    credits_ = [
        Credit("a", usd(5), None),
        Credit("c", usd(5), day),
        Credit("b", usd(5), day),
        Credit("d", usd(0), day),
    ]

    assert spend(usd(12), credits_) == (
        CreditUse("b", usd(5)),
        CreditUse("c", usd(5)),
        CreditUse("a", usd(2)),
    )


@pytest.mark.parametrize("due", ["0", "-3.00"])
def test_nothing_due_spends_nothing(due):
    assert spend(usd(due), [Credit("a", usd(5), None)]) == ()


@given(st.integers(0, 10**9), CREDITS)
def test_credits_pay_all_they_can_and_no_more_than_is_due(micros, credits_):
    due = Money(micros, "USD")

    paid = total(tuple(each.amount for each in spend(due, credits_)), "USD")

    assert paid == min(due, total(tuple(each.left for each in credits_), "USD"))


def test_v27_each_share_of_a_budget_fires_once_when_it_is_reached():
    given, expect = vectors.given("V27")
    budget, left, fires = usd(given["budget"]), {50, 75, 100}, []

    for running in given["running"]:
        reached = thresholds_reached(budget, usd(running), left)
        left -= set(reached)
        fires.append(f"{reached[0]}%" if reached else None)

    assert fires == expect["fires"]


def test_a_leap_reaches_several_shares_at_once():
    assert thresholds_reached(usd(50), usd(40), {75, 50, 100}) == (50, 75)


def test_a_budget_is_not_reached_in_another_currency():
    with pytest.raises(CurrencyMismatch):
        thresholds_reached(usd(50), Money.of(50, "EUR"), {50})
