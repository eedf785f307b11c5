"""Money: whole micro-units and a currency; the rounding rules in one place.

Prices are whole nano-units (10⁻⁹ of the currency), since a minute costs less than a
micro-unit. Exact amounts in between are Decimals and become Money by one rounding.
"""

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal, Inexact, InvalidOperation
from typing import Self

MICROS = 1_000_000
NANOS = 1_000_000_000

# Wide enough that the largest bill is exact to far below a nano-unit.
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


class CurrencyMismatch(Exception):
    """Two currencies met in one sum."""


@dataclass(frozen=True, slots=True)
class Money:
    """An amount of a currency, in whole micro-units."""

    micros: int
    currency: str

    def __post_init__(self) -> None:
        """Refuse what is no currency, and a number that is not whole."""
        if _CURRENCY.fullmatch(self.currency) is None:
            raise ValueError(f"{self.currency!r} is not a currency.")
        if not isinstance(self.micros, int):
            raise TypeError("Micro-units are whole.")

    @classmethod
    def zero(cls, currency: str) -> Self:
        """Return nothing, of a currency."""
        return cls(0, currency)

    @classmethod
    def of(cls, amount: str | int | Decimal, currency: str) -> Self:
        """Read an amount, exactly.

        Raises ValueError when it is finer than a micro-unit, or no number.
        """
        try:
            return cls(_whole(Decimal(amount), 6), currency)
        except (Inexact, InvalidOperation, ValueError) as error:  # ValueError: NaN
            raise ValueError(f"{amount} is no whole number of micro-units.") from error

    @classmethod
    def rounded(cls, exact: Decimal, currency: str) -> Self:
        """Round an exact amount to the currency's minor units, half away from zero.

        This is the one rounding of a line. A credit mirrors its charge, since minus an
        amount rounds to minus the rounded amount.
        """
        places = minor_digits(currency)
        quantum = Decimal(1).scaleb(-places)
        return cls(_whole(EXACT.quantize(exact, quantum), 6), currency)

    @property
    def amount(self) -> Decimal:
        """The amount in units of the currency, with its minor digits or as many as it has."""
        places = minor_digits(self.currency)
        amount = EXACT.divide(Decimal(self.micros), Decimal(MICROS))
        quantum = Decimal(1).scaleb(-places)
        short = EXACT.quantize(amount, quantum)
        return short if short == amount else amount

    def __add__(self, other: Self) -> Self:
        """Add two amounts of one currency."""
        return type(self)(self.micros + self._same(other), self.currency)

    def __sub__(self, other: Self) -> Self:
        """Take one amount of a currency from another."""
        return type(self)(self.micros - self._same(other), self.currency)

    def __neg__(self) -> Self:
        """Return the credit for a charge."""
        return type(self)(-self.micros, self.currency)

    def __lt__(self, other: Self) -> bool:
        """Compare two amounts of one currency."""
        return self.micros < self._same(other)

    def __le__(self, other: Self) -> bool:
        """Compare two amounts of one currency."""
        return self.micros <= self._same(other)

    def __bool__(self) -> bool:
        """Tell whether it is anything at all."""
        return self.micros != 0

    def __str__(self) -> str:
        """Write the amount as bills do: 1,234.50 USD."""
        return f"{self.amount:,f} {self.currency}"

    def _same(self, other: Self) -> int:
        if self.currency != other.currency:
            raise CurrencyMismatch(f"{other.currency} is not {self.currency}.")
        return other.micros


def minor_digits(currency: str) -> int:
    """Return the decimal places that a currency is paid in: JPY 0, USD 2, KWD 3."""
    return _MINOR_DIGITS.get(currency, _TWO)


def nanos(price: str | Decimal) -> int:
    """Read a price as whole nano-units.

    Raises ValueError when it is finer than a nano-unit, or no number.
    """
    try:
        return _whole(Decimal(price), 9)
    except (Inexact, InvalidOperation, ValueError) as error:  # ValueError: NaN
        raise ValueError(f"{price} is no whole number of nano-units.") from error


def unit_price(price_nanos: int) -> Decimal:
    """Return a price in units of the currency, with two decimals or as many as it has."""
    exact = EXACT.divide(Decimal(price_nanos), Decimal(NANOS))
    short = EXACT.quantize(exact, Decimal("0.01"))
    return short if short == exact else exact


def _whole(amount: Decimal, places: int) -> int:
    shifted = _LOSSLESS.multiply(amount, Decimal(10) ** places)
    return int(_LOSSLESS.quantize(shifted, Decimal(1)))
