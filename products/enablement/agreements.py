"""What an account agrees to: a record of the terms, and one sentence made from it (R5, R16, R18).

Both are kept with their hashes when a product is enabled. What was agreed to before keeps its
words, whatever is written here later.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Self

from accounts.audit.chain import canonical
from accounts.models import Account
from products.calendars import calendar_of
from products.catalogue.models import Plan, PriceVersion, Product
from products.catalogue.money import Money, amount_in_words, unit_price
from products.catalogue.queries import tiered_price
from products.catalogue.tiers import METERS, PriceTier, tier_ranges
from products.enablement.models import DRAIN_TIME, Enablement
from products.months import month_name

VERSION = 1
DEFAULT_LOCALE = "en"

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class AgreedTerms:
    """The terms of an enablement: the record as canonical JSON, and the sentence made from it."""

    record: str
    text: str

    @property
    def record_hash(self) -> str:
        """Return the SHA-256 of the record."""
        return text_hash(self.record)

    @property
    def text_hash(self) -> str:
        """Return the SHA-256 of the sentence; it is what a superuser confirms."""
        return text_hash(self.text)

    @classmethod
    def of(cls, record: Record) -> Self:
        """Return the terms of a record."""
        return cls(canonical(record), _SENTENCES[record["kind"]](record))

    def keep(self, enablement: Enablement) -> Enablement:
        """Set the terms on a new enablement, and return it."""
        enablement.agreed_record = self.record
        enablement.agreed_record_hash = self.record_hash
        enablement.agreed_text = self.text
        enablement.agreed_text_hash = self.text_hash
        enablement.agreed_locale = json.loads(self.record)["locale"]
        return enablement


def direct_terms(
    account: Account,
    product: Product,
    prices: Sequence[PriceVersion],
    *,
    now: datetime,
    locale: str = DEFAULT_LOCALE,
) -> AgreedTerms:
    """Return what a superuser agrees to when they enable a product (R5).

    `prices` are those of the plan, one per meter; without one, the sentence names none.
    """
    record = _record("direct", account, product, prices, now, locale)
    return AgreedTerms.of(record | {"plan": _plan(prices[0].plan) if prices else None})


def package_terms(
    account: Account,
    plan: Plan,
    prices: Sequence[PriceVersion],
    *,
    now: datetime,
) -> AgreedTerms:
    """Return the terms under which staff assign a package (R16)."""
    record = _record("package", account, plan.product, prices, now, DEFAULT_LOCALE)
    return AgreedTerms.of(record | {"plan": _plan(plan)})


def trial_terms(
    account: Account, plan: Plan, *, now: datetime, locale: str = DEFAULT_LOCALE
) -> AgreedTerms:
    """Return what a superuser agrees to when they start a trial (R18)."""
    record = _record("trial", account, plan.product, (), now, locale)
    trial = {
        "days": plan.trial_days,
        "cap_minutes": plan.trial_minutes,
        "drain_seconds": int(DRAIN_TIME.total_seconds()),
    }
    return AgreedTerms.of(record | {"plan": _plan(plan), "trial": trial})


def text_hash(text: str) -> str:
    """Return the SHA-256 of a text's UTF-8 form: 64 hex digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def _record(
    kind: str,
    account: Account,
    product: Product,
    prices: Sequence[PriceVersion],
    now: datetime,
    locale: str,
) -> Record:
    calendar = calendar_of(account)
    month = calendar.month_at(now)
    return {
        "v": VERSION,
        "kind": kind,
        "account": {"id": account.pk, "name": account.name},
        "product": {"id": product.pk, "name": product.name},
        "plan": None,
        "trial": None,
        "prices": [_price(each) for each in prices],
        "period": {
            "length": "calendar month",
            "time_zone": calendar.zone_in(month),
            "next_time_zones": [
                {"from_month": start, "time_zone": zone}
                for start, zone in calendar.changes_after(month)
            ],
        },
        "tax": "before tax",
        "locale": locale,
    }


def _plan(plan: Plan) -> Record:
    return {"id": plan.pk, "name": plan.name}


def _price(price: PriceVersion) -> Record:
    meter = METERS[price.meter]
    tiers = tiered_price(price).tiers
    ranges = tier_ranges(tiers, meter.short_unit)
    return {
        "price_version": price.pk,
        "number": price.number,
        "effective_from": price.effective_from.isoformat(),
        "meter": price.meter,
        "unit": meter.agreed_unit,
        "unit_size": price.unit_size,
        "unit_mode": price.unit_mode,
        "currency": price.currency,
        "tiers": [
            _tier(tier, reach) for tier, reach in zip(tiers, ranges, strict=True)
        ],
        "fee": str(Money(price.fee_micros, price.currency).amount),
        "proration": price.proration,
        "included_units": price.included_units,
    }


def _tier(tier: PriceTier, reach: str) -> Record:
    price = f"{unit_price(tier.unit_price_nanos):f}"
    return {"up_to": tier.up_to, "unit_price": price, "range": reach}


def _direct_text(record: Mapping[str, Any]) -> str:
    product, account = record["product"]["name"], record["account"]
    changes = (
        f"I understand that enabling {product} changes the monthly bill of "
        f"{account['name']} ({account['id']})."
    )
    return " ".join([changes, *_price_sentences(record)])


def _package_text(record: Mapping[str, Any]) -> str:
    product, account = record["product"]["name"], record["account"]
    includes = (
        f"The package {record['plan']['name']} includes {product} for "
        f"{account['name']} ({account['id']})."
    )
    return " ".join([includes, *_price_sentences(record)])


def _trial_text(record: Mapping[str, Any]) -> str:
    name, account, trial = record["product"]["name"], record["account"], record["trial"]
    days, cap = trial["days"], trial["cap_minutes"]
    or_once = f", or once {cap:,} connection minutes are used" if cap else ""
    return (
        f"I understand that the trial of {name} for {account['name']} ({account['id']}) ends {days} "
        f"day{'s' if days != 1 else ''} after it starts{or_once}. Until then {name} is free; "
        "bandwidth counts as delivery traffic. When the trial ends, new connections are refused "
        f"and open ones are closed after {trial['drain_seconds']} seconds; nothing is purchased "
        f"unless a superuser does it. The account can try {name} once."
    )


_SENTENCES = {"direct": _direct_text, "package": _package_text, "trial": _trial_text}


def _price_sentences(record: Mapping[str, Any]) -> list[str]:
    return [_price_sentence(price, record) for price in record["prices"]]


def _price_sentence(price: Mapping[str, Any], record: Mapping[str, Any]) -> str:
    unit, currency = price["unit"], price["currency"]
    tiers = ", ".join(_tier_in_words(tier, currency) for tier in price["tiers"])
    fee = Money.of(price["fee"], currency)
    sentence = (
        f"Price version {price['number']}, {record['tax']}, per {unit} in a "
        f"{_period_in_words(record['period'])}: {tiers}"
    )
    sentence += f", plus a fee of {fee} per month." if fee else "."
    if price["included_units"]:
        sentence += (
            f" The first {price['included_units']:,} {unit} of a month are included."
        )
    if price["unit_mode"] == PriceVersion.UnitMode.BLOCK:
        sentence += (
            f" A started {METERS[price['meter']].short_unit} is billed as a whole one."
        )
    return sentence


def _period_in_words(period: Mapping[str, Any]) -> str:
    zones = [
        period["time_zone"],
        *(
            f"{each['time_zone']} from {month_name(each['from_month'])}"
            for each in period["next_time_zones"]
        ),
    ]
    return f"{period['length']} ({', '.join(zones)})"


def _tier_in_words(tier: Mapping[str, Any], currency: str) -> str:
    price = Decimal(tier["unit_price"])
    amount = f"{amount_in_words(price)} {currency}" if price else "free"
    if not tier["range"] or tier["up_to"] is None:
        return f"{amount} {tier['range']}".rstrip()
    return f"{amount} for the {tier['range']}"
