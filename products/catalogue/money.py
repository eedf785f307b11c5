"""Money: whole micro-units and a currency, and the rounding rules.

Prices are whole nano-units (10⁻⁹ of the currency), since a minute costs less than a
micro-unit. Exact amounts in between are Decimals and become Money by one rounding.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal, Inexact, InvalidOperation
from typing import Self

CURRENCY_NEEDED = "Enter a currency of ISO 4217, such as USD."
MICROS = 1_000_000
NANOS = 1_000_000_000

# Enough digits to keep the largest bill exact to far below a nano-unit.
EXACT = Context(prec=80, rounding=ROUND_HALF_UP)
_LOSSLESS = Context(prec=80, rounding=ROUND_HALF_UP, traps=[InvalidOperation, Inexact])

# ISO 4217; every other currency has two.
_MINOR_DIGITS = dict.fromkeys(
    (
        *("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW"),
        *("PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF"),
    ),
    0,
) | dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3)
_TWO = 2
_CURRENCY = re.compile(r"[A-Z]{3}")
_TWO_DIGITS = frozenset(
    (
        *("AED", "ARS", "AUD", "BGN", "BRL", "CAD", "CHF", "CNY", "COP", "CZK"),
        *("DKK", "EGP", "EUR", "GBP", "HKD", "HUF", "IDR", "ILS", "INR", "KES"),
        *("MAD", "MXN", "MYR", "NGN", "NOK", "NZD", "PEN", "PHP", "PKR", "PLN"),
        *("QAR", "RON", "RSD", "SAR", "SEK", "SGD", "THB", "TRY", "TWD", "UAH"),
        *("USD", "UYU", "ZAR"),
    )
)


class CurrencyMismatch(Exception):
    """An operation mixed two currencies."""


@dataclass(frozen=True, slots=True)
class Money:
    """An amount of a currency, in whole micro-units."""

    micros: int
    currency: str

    def __post_init__(self) -> None:
        """Raise ValueError for an invalid currency, TypeError for a number that is not an integer."""
        if _CURRENCY.fullmatch(self.currency) is None:
            raise ValueError(f"{self.currency!r} is not a currency.")
        if not isinstance(self.micros, int):
            raise TypeError("Micro-units are whole.")

    @classmethod
    def of(cls, amount: str | int | Decimal, currency: str) -> Self:
        """Return an amount, read exactly.

        Raises ValueError if it is finer than a micro-unit or not a number.
        """
        try:
            return cls(_whole(Decimal(amount), 6), currency)
        except (Inexact, InvalidOperation, ValueError) as error:  # ValueError: NaN
            raise ValueError(
                f"{amount} is not a whole number of micro-units."
            ) from error

    @classmethod
    def rounded(cls, exact: Decimal, currency: str) -> Self:
        """Round an exact amount to the currency's minor units, as `rounded_ratio` does."""
        return cls.rounded_ratio(*exact.as_integer_ratio(), currency)

    @classmethod
    def rounded_ratio(cls, numerator: int, denominator: int, currency: str) -> Self:
        """Round a fraction of the currency to its minor units, half away from zero.

        A line is rounded here and only once. A credit mirrors its charge, because the negative
        of an amount rounds to the negative of the rounded amount.
        """
        units: int = 10 ** minor_digits(currency)
        rounded = (2 * units * abs(numerator) + denominator) // (2 * denominator)
        micros = rounded * (MICROS // units)
        return cls(micros if numerator >= 0 else -micros, currency)

    @property
    def amount(self) -> Decimal:
        """The amount in units of the currency, with its minor digits or more if needed."""
        places = minor_digits(self.currency)
        amount = EXACT.divide(Decimal(self.micros), Decimal(MICROS))
        quantum = Decimal(1).scaleb(-places)
        short = EXACT.quantize(amount, quantum)
        return short if short == amount else amount

    def __add__(self, other: Self) -> Self:
        """Add an amount of the same currency."""
        return type(self)(self.micros + self._same(other), self.currency)

    def __sub__(self, other: Self) -> Self:
        """Subtract an amount of the same currency."""
        return type(self)(self.micros - self._same(other), self.currency)

    def __neg__(self) -> Self:
        """Return the amount with the other sign: the credit for a charge."""
        return type(self)(-self.micros, self.currency)

    def __lt__(self, other: Self) -> bool:
        """Compare with an amount of the same currency."""
        return self.micros < self._same(other)

    def __le__(self, other: Self) -> bool:
        """Compare with an amount of the same currency."""
        return self.micros <= self._same(other)

    def __bool__(self) -> bool:
        """Tell whether the amount is not zero."""
        return self.micros != 0

    def __str__(self) -> str:
        """Return the amount as bills show it: 1,234.50 USD."""
        return f"{self.amount:,f} {self.currency}"

    def in_words(self, exact: Decimal) -> str:
        """Return the amount as pages show it; "less than 0.01 USD" if `exact` rounds to zero."""
        if self.micros == 0 and exact > 0:
            return f"less than {unit_of(self.currency)} {self.currency}"
        return str(self)

    def _same(self, other: Self) -> int:
        if self.currency != other.currency:
            raise CurrencyMismatch(f"{other.currency} is not {self.currency}.")
        return other.micros


def exact_sum(amounts: Iterable[Decimal]) -> Decimal:
    """Return the exact sum of exact amounts."""
    result = Decimal(0)
    for amount in amounts:
        result = EXACT.add(result, amount)
    return result


def minor_digits(currency: str) -> int:
    """Return the number of decimal places of a currency: JPY 0, USD 2, KWD 3."""
    return _MINOR_DIGITS.get(currency, _TWO)


def unit_of(currency: str) -> Decimal:
    """Return the smallest amount of a currency: JPY 1, USD 0.01, KWD 0.001."""
    return Decimal(1).scaleb(-minor_digits(currency))


def is_currency(code: str) -> bool:
    """Tell whether a code is a currency of ISO 4217 in which prices can be published."""
    return code in _TWO_DIGITS or code in _MINOR_DIGITS


def read_currency(typed: str) -> str:
    """Return the code of a currency, which may be typed in small letters.

    Raises ValueError for an unknown one.
    """
    code = typed.strip().upper()
    if not is_currency(code):
        raise ValueError(CURRENCY_NEEDED)
    return code


def nanos(price: str | Decimal) -> int:
    """Return a price in whole nano-units.

    Raises ValueError if it is finer than a nano-unit or not a number.
    """
    try:
        return _whole(Decimal(price), 9)
    except (Inexact, InvalidOperation, ValueError) as error:  # ValueError: NaN
        raise ValueError(f"{price} is not a whole number of nano-units.") from error


def unit_price(price_nanos: int) -> Decimal:
    """Return a price in units of the currency, with two decimals or more if needed."""
    exact = EXACT.divide(Decimal(price_nanos), Decimal(NANOS))
    short = EXACT.quantize(exact, Decimal("0.01"))
    return short if short == exact else exact


def amount_in_words(amount: Decimal | int) -> str:
    """Return an amount with separators and two or more decimals, never rounded: 1,234.50, 0.0028755."""
    shortest = Decimal(amount).normalize(EXACT)
    places = max(_TWO, -int(shortest.as_tuple().exponent))
    return f"{shortest:,.{places}f}"


def _whole(amount: Decimal, places: int) -> int:
    shifted = _LOSSLESS.multiply(amount, Decimal(10) ** places)
    return int(_LOSSLESS.quantize(shifted, Decimal(1)))
