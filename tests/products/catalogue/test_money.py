"""Money: exact, of one currency, rounded symmetrically."""

from dataclasses import FrozenInstanceError
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from products.catalogue.money import (
    CurrencyMismatch,
    Money,
    minor_digits,
    nanos,
    unit_price,
)
from tests.products import vectors

MICROS = st.integers(-(10**18), 10**18)
EXACT = st.decimals(
    min_value=-(10**12),
    max_value=10**12,
    allow_nan=False,
    allow_infinity=False,
    places=12,
)
CURRENCIES = st.sampled_from(["USD", "EUR", "JPY", "KWD"])


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        ("1234.5", "USD", "1,234.50 USD"),
        ("0", "USD", "0.00 USD"),
        ("-1234567.891", "USD", "-1,234,567.891 USD"),
        ("0.000001", "USD", "0.000001 USD"),
        ("111", "JPY", "111 JPY"),
        ("1234567", "JPY", "1,234,567 JPY"),
        ("1000000000", "JPY", "1,000,000,000 JPY"),
        ("0.228", "KWD", "0.228 KWD"),
        ("5", "KWD", "5.000 KWD"),
        ("400000011.00", "EUR", "400,000,011.00 EUR"),
    ],
)
def test_an_amount_is_written_with_its_minor_digits_and_never_cut_off(
    amount, currency, text
):
    assert str(Money.of(amount, currency)) == text


@pytest.mark.parametrize(
    ("exact", "currency", "micros"),
    [
        ("0.015", "USD", 20_000),
        ("-0.015", "USD", -20_000),
        ("0.005", "USD", 10_000),
        ("-0.005", "USD", -10_000),
        ("0.0149999999999999999999999999999999999999", "USD", 10_000),
        ("0.5", "JPY", 1_000_000),
        ("-0.5", "JPY", -1_000_000),
        ("0.0005", "KWD", 1_000),
        ("0.00049", "KWD", 0),
        (
            "123456789012345678901234567890.125",
            "USD",
            123456789012345678901234567890_130_000,
        ),
    ],
)
def test_an_exact_amount_is_rounded_half_away_from_zero(exact, currency, micros):
    assert Money.rounded(Decimal(exact), currency) == Money(micros, currency)


@pytest.mark.parametrize("vector_id", ["V22-USD", "V22-JPY", "V22-KWD"])
def test_v22_each_currency_has_minor_units_of_its_own(vector_id):
    given, expect = vectors.given(vector_id)

    result = Money.rounded(Decimal(expect["exact"]), given["currency"])

    assert result == Money.of(expect["amount"], given["currency"])


def test_minor_digits_are_those_of_the_currency():
    assert [minor_digits(each) for each in ("JPY", "USD", "KWD", "EUR")] == [0, 2, 3, 2]


def test_two_currencies_are_never_added_or_compared():
    usd, eur = Money.of(1, "USD"), Money.of(1, "EUR")

    with pytest.raises(CurrencyMismatch):
        usd + eur
    with pytest.raises(CurrencyMismatch):
        usd - eur
    with pytest.raises(CurrencyMismatch):
        usd < eur  # noqa: B015
    with pytest.raises(CurrencyMismatch):
        usd <= eur  # noqa: B015
    assert usd != eur


def test_amounts_of_one_currency_add_up_and_compare():
    two, three = Money.of("2.50", "USD"), Money.of("3", "USD")

    assert two + three == Money.of("5.50", "USD")
    assert two - three == Money.of("-0.50", "USD")
    assert two < three
    assert two <= Money.of("2.50", "USD")
    assert not three < two
    assert max(two, three) == three
    assert sum((two, three, two), start=Money(0, "USD")) == Money.of("8", "USD")
    assert not Money(0, "USD")
    assert two


@pytest.mark.parametrize("amount", ["0.0000001", "NaN", "Infinity", "one", ""])
def test_an_amount_that_is_not_a_whole_number_of_micro_units_is_refused(amount):
    with pytest.raises(ValueError, match="not a whole number of micro-units"):
        Money.of(amount, "USD")


@pytest.mark.parametrize("currency", ["usd", "US", "USDT", "", "U$D"])
def test_an_invalid_currency_is_refused(currency):
    with pytest.raises(ValueError, match="is not a currency"):
        Money(0, currency)


def test_a_float_is_refused():
    with pytest.raises(TypeError):
        Money(0.5, "USD")


def test_money_cannot_be_changed():
    amount = Money.of(1, "USD")

    with pytest.raises(FrozenInstanceError):
        amount.micros = 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0.60", 600_000_000), ("0.000000001", 1), ("90", 90 * 10**9)],
)
def test_a_price_is_a_whole_number_of_nano_units(text, expected):
    assert nanos(text) == expected
    assert unit_price(expected) == Decimal(text)


@pytest.mark.parametrize("text", ["0.0000000001", "NaN", "x"])
def test_a_price_finer_than_a_nano_unit_is_refused(text):
    with pytest.raises(ValueError, match="not a whole number of nano-units"):
        nanos(text)


@pytest.mark.parametrize(
    ("price_nanos", "text"),
    [(600_000_000, "0.60"), (185_000_000, "0.185"), (0, "0.00")],
)
def test_a_price_is_written_with_two_decimals_or_as_many_as_it_has(price_nanos, text):
    assert str(unit_price(price_nanos)) == text


@given(EXACT, CURRENCIES)
def test_a_credit_mirrors_its_charge(exact, currency):
    charge, credit = Money.rounded(exact, currency), Money.rounded(-exact, currency)

    assert charge + credit == Money(0, currency)


@given(EXACT, CURRENCIES)
def test_rounding_moves_an_amount_by_at_most_half_a_minor_unit(exact, currency):
    half = Decimal(5).scaleb(-minor_digits(currency) - 1)

    assert abs(Money.rounded(exact, currency).amount - exact) <= half


@given(MICROS, CURRENCIES)
def test_an_amount_is_the_same_after_being_written_and_read(micros, currency):
    money = Money(micros, currency)

    assert Money.of(str(money).split(" ")[0].replace(",", ""), currency) == money
    assert Money.of(money.amount, currency) == money
