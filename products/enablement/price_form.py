"""The form of a price: tiers as rows, fee, included quantity, and a preview before publishing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django import forms
from django.http import QueryDict

from accounts.models import Account
from products.catalogue.commands import (
    NewPrice,
    check_price,
    is_rise,
    next_month_start,
)
from products.catalogue.forms import CurrencyField
from products.catalogue.models import Plan, PriceVersion, Product
from products.catalogue.money import Money, amount_in_words, nanos, unit_price
from products.catalogue.queries import tiered_price
from products.catalogue.tiers import METERS, PriceTier, tier_ranges
from products.enablement.agreements import text_hash
from products.enablement.models import Enablement
from products.enablement.queries import accounts_on, followed_price
from products.enablement.queries import current as current_enablement

TIER_ROWS: Final = 8
# The preview names this many accounts; it counts the others.
NAMED_ACCOUNTS: Final = 500


class PriceForm(forms.Form):
    """The next price of a plan, except for its tiers."""

    currency = CurrencyField(initial="USD")
    meter = forms.ChoiceField(
        choices=[
            (key, f"{meter.heading}, priced per {meter.unit_name}")
            for key, meter in METERS.items()
        ]
    )
    fee = forms.DecimalField(
        label="Fee per month",
        min_value=0,
        max_digits=12,
        decimal_places=6,
        initial=0,
        help_text="In the currency of the price. 0 if there is no fee.",
    )
    included = forms.IntegerField(
        label="Included per month",
        min_value=0,
        max_value=1_000_000_000,
        initial=0,
        help_text="Whole units of the meter that the fee covers: million minutes, or GB.",
    )
    proration = forms.ChoiceField(
        label="Of a month in part", choices=PriceVersion.Proration.choices
    )
    unit_mode = forms.ChoiceField(
        label="A part of a unit",
        choices=[
            (PriceVersion.UnitMode.FRACTION, "is billed as a fraction"),
            (PriceVersion.UnitMode.BLOCK, "is billed as a whole unit"),
        ],
    )
    effective_from = forms.DateTimeField(
        help_text="UTC, e.g. 2026-12-01 00:00. The current price ends then. A higher price can take "
        "effect at the start of the next month at the earliest."
    )


class TierForm(forms.Form):
    """One tier; an empty row is none."""

    up_to = forms.IntegerField(
        label="Up to", required=False, min_value=1, max_value=10**12
    )
    unit_price = forms.DecimalField(
        label="Price per unit",
        required=False,
        min_value=0,
        max_digits=18,
        decimal_places=9,
    )

    def clean(self) -> dict[str, Any]:
        """Refuse a limit without a price."""
        typed = self.cleaned_data
        if typed.get("up_to") is not None and typed.get("unit_price") is None:
            self.add_error("unit_price", "Enter the price of this tier.")
        return typed


TierRows = forms.formset_factory(TierForm, extra=TIER_ROWS, max_num=TIER_ROWS)


@dataclass(frozen=True, slots=True)
class PriceRow:
    """A line of a price as people read it: what it is for, and the amount."""

    label: str
    amount: str


@dataclass(frozen=True, slots=True)
class Preview:
    """What publishing a price changes, and for which accounts."""

    new: tuple[PriceRow, ...]
    current: tuple[PriceRow, ...]  # empty if it is the first
    is_rise: bool
    follows: Plan | None  # the other plan whose price the account pays until then
    counts_later: (
        str  # why the price of an account's own plan does not count yet, in a sentence
    )
    effective_from: datetime
    accounts: tuple[Account, ...]
    more_accounts: int
    seen: str  # a hash of all this; publishing sends it back


class PriceEntry:
    """What was typed into the form of a price, or its present price at first."""

    def __init__(self, plan: Plan, data: QueryDict | None, *, now: datetime) -> None:
        self.plan = plan
        self.now = now
        current = (
            plan.prices.filter(withdrawn_at=None).order_by("effective_from").last()
        ) or followed_price(plan, now)
        self.form = PriceForm(data, initial=_initial(plan, current, now))
        # Of typed rows, those that equal the present price count too.
        initial = [] if data else _initial_tiers(current)
        self.rows = TierRows(data, initial=initial, prefix="tier")
        self.rows.extra = max(0, TIER_ROWS - len(initial))

    def is_valid(self) -> bool:
        """Check every field; what the command refuses is found by `preview`."""
        are_valid = [self.form.is_valid(), self.rows.is_valid()]
        return all(are_valid)

    @property
    def effective_from(self) -> datetime:
        """Return when the price takes effect."""
        effective: datetime = self.form.cleaned_data["effective_from"]
        return effective

    @property
    def price(self) -> NewPrice:
        """Return the price that was typed."""
        typed = self.form.cleaned_data
        return NewPrice(
            currency=typed["currency"],
            meter=typed["meter"],
            tiers=tuple(
                PriceTier(row["up_to"], nanos(row["unit_price"]))
                for row in (form.cleaned_data for form in self.rows.forms)
                if row.get("unit_price") is not None
            ),
            fee_micros=Money.of(typed["fee"], typed["currency"]).micros,
            included_units=typed["included"],
            unit_mode=typed["unit_mode"],
            proration=typed["proration"],
        )

    def preview(self) -> Preview:
        """Return what publishing would change. Raises Invalid as the command does."""
        price, effective_from = self.price, self.effective_from
        last = check_price(
            self.plan,
            price,
            effective_from=effective_from,
            now=self.now,
            follows=followed_price(self.plan, effective_from),
        )
        accounts = list(accounts_on(self.plan, effective_from))
        ids = " ".join(account.pk for account in accounts)
        return Preview(
            new=_lines(price),
            current=price_rows(last) if last else (),
            is_rise=last is not None and is_rise(price, last),
            follows=last.plan if last and last.plan != self.plan else None,
            counts_later=_counts_later(self.plan),
            effective_from=effective_from,
            accounts=tuple(accounts[:NAMED_ACCOUNTS]),
            more_accounts=max(0, len(accounts) - NAMED_ACCOUNTS),
            seen=text_hash(f"{price} {effective_from.isoformat()} {ids}"),
        )


def _counts_later(plan: Plan) -> str:
    """Return why the price of an account's own plan does not count yet; "" if it does."""
    is_always = plan.product.purchase_mode == Product.PurchaseMode.ALWAYS
    if plan.account is None or plan.kind != Plan.Kind.DIRECT or is_always:
        return ""
    held = current_enablement(plan.account.pk, plan.product_id)
    if held is None:
        return f"{plan.account} does not have {plan.product}. The price counts once it is enabled."
    if held.source != Enablement.Source.DIRECT:
        return (
            f"{plan.account} has {plan.product} from a {held.source}, the plan {held.plan}. The "
            "price counts once it is bought."
        )
    return ""


def _initial(plan: Plan, current: PriceVersion | None, now: datetime) -> dict[str, Any]:
    next_month = next_month_start(plan, now)
    initial: dict[str, Any] = {"effective_from": f"{next_month:%Y-%m-%d %H:%M}"}
    if current is None:
        return initial
    return initial | {
        "currency": current.currency,
        "meter": current.meter,
        "fee": Money(current.fee_micros, current.currency).amount,
        "included": current.included_units,
        "proration": current.proration,
        "unit_mode": current.unit_mode,
    }


def _initial_tiers(current: PriceVersion | None) -> list[dict[str, Any]]:
    if current is None:
        return []
    return [
        {"up_to": tier.up_to, "unit_price": unit_price(tier.unit_price_nanos)}
        for tier in current.tiers.all()
    ]


def price_rows(version: PriceVersion) -> tuple[PriceRow, ...]:
    """Return a published price line by line."""
    return _lines(
        NewPrice(
            currency=version.currency,
            meter=version.meter,
            tiers=tiered_price(version).tiers,
            fee_micros=version.fee_micros,
            included_units=version.included_units,
            unit_mode=version.unit_mode,
            proration=version.proration,
        )
    )


def _lines(price: NewPrice) -> tuple[PriceRow, ...]:
    meter = METERS[price.meter]
    ranges = tier_ranges(price.tiers, meter.short_unit)
    rows = [
        PriceRow(
            (reach or "all")[:1].upper() + (reach or "all")[1:],
            f"{amount_in_words(unit_price(tier.unit_price_nanos))} {price.currency} per {meter.unit_name}",
        )
        for reach, tier in zip(ranges, price.tiers, strict=True)
    ]
    return (*rows, *_other_rows(price, f"{price.included_units:,} {meter.short_unit}"))


def _other_rows(price: NewPrice, included: str) -> Sequence[PriceRow]:
    rows = []
    if price.fee_micros:
        part = PriceVersion.Proration(price.proration).label.lower()
        fee = Money(price.fee_micros, price.currency)
        rows.append(PriceRow("Fee", f"{fee} per month; of a month in part: {part}"))
    if price.included_units:
        rows.append(PriceRow("Included", f"{included} per month"))
    if price.unit_mode == PriceVersion.UnitMode.BLOCK:
        rows.append(PriceRow("A part of a unit", "billed as a whole unit"))
    return rows
