"""The form of a price: tiers as rows, fee, included quantity, and a preview before publishing."""

from datetime import datetime
from typing import Any, Final

from django import forms
from django.http import QueryDict

from products.billing.queries.price_preview import PricePreview, price_preview
from products.catalogue.commands import next_month_start
from products.catalogue.forms import CurrencyField
from products.catalogue.models import Plan, PriceVersion
from products.catalogue.money import Money, nanos, unit_price
from products.catalogue.prices import NewPrice
from products.catalogue.tiers import METERS, PriceTier
from products.enablement.queries import followed_price

TIER_ROWS: Final = 8


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

    def preview(self) -> PricePreview:
        """Return what publishing would change. Raises Invalid as the command does."""
        return price_preview(
            self.plan, self.price, effective_from=self.effective_from, now=self.now
        )


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
