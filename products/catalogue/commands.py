"""Changes to the catalogue by staff and the loader, noted in the platform's audit trail."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from accounts.actor import Actor
from accounts.audit.chain import MAX_INTEGER
from accounts.audit.vocabulary import Event
from accounts.change import Trail, Unchanged, recorded_change
from accounts.errors import Conflict, Invalid
from accounts.models import Account
from accounts.policy import PLATFORM
from accounts.roles import Permission
from products.calendars import Calendar, calendar_of
from products.catalogue.models import (
    MAX_PLAN_NAME_LENGTH,
    Plan,
    PriceVersion,
    Product,
    Tier,
)
from products.catalogue.money import CURRENCY_NEEDED, is_currency
from products.catalogue.prices import NewPrice, price_sentences
from products.catalogue.queries import start_for, tiered_price
from products.catalogue.tiers import (
    METERS,
    Meter,
    TieredPrice,
    is_dearer,
    tiers_problem,
)
from products.months import MAX_UTC_OFFSET

PRODUCT_FIELDS = (
    "name",
    "purpose",
    "limitations",
    "documentation_url",
    "purchase_mode",
    "per_service",
    "service_type",
    "state",
    "position",
)
MAX_TRIAL_DAYS = 366
MAX_AHEAD = timedelta(days=3653)  # a later start of a price is a slip
MAX_TRIAL_MINUTES = 10**15


class PriceRiseTooEarly(Invalid):
    """A higher price would take effect before the start of the next month."""

    code = "price_rise_too_early"


def add_product(
    actor: Actor, *, slug: str, fields: Mapping[str, object], now: datetime
) -> Product:
    """Add a product. Raises Conflict for a slug in use; notes product.added."""
    with recorded_change(
        actor, Permission.CATALOGUE_MANAGE, on=PLATFORM, now=now
    ) as trail:
        if Product.objects.filter(pk=slug).exists():
            raise Conflict(f"A product {slug} already exists.")
        product = Product.objects.create(slug=slug, **_known(fields))
        trail.note(
            Event.CATALOGUE_PRODUCT_ADDED,
            target=("product", slug, product.name),
            product=slug,
            after=_values(product),
        )
    return product


def update_product(
    actor: Actor, *, slug: str, fields: Mapping[str, object], now: datetime
) -> None:
    """Change a product. Notes product.updated.

    Raises Invalid for an unknown product or field, and Conflict if it is no longer a draft and
    would become part of every account, or no longer be: every bill and entitlement would change.
    """
    with recorded_change(
        actor, Permission.CATALOGUE_MANAGE, on=PLATFORM, now=now
    ) as trail:
        product = Product.objects.select_for_update().filter(pk=slug).first()
        if product is None:
            raise Invalid(f"There is no product {slug}.")
        before, was_included = _values(product), product.is_always_included
        is_draft = product.state == Product.State.DRAFT
        for name, value in _known(fields).items():
            setattr(product, name, value)
        if product.is_always_included != was_included and not is_draft:
            raise Conflict(
                "Only a draft can become part of every account, or stop being part of it. "
                "Add another product instead."
            )
        after = _values(product)
        changed = [name for name in PRODUCT_FIELDS if before[name] != after[name]]
        if not changed:
            raise Unchanged
        product.save(update_fields=changed)
        trail.note(
            Event.CATALOGUE_PRODUCT_UPDATED,
            target=("product", slug, product.name),
            product=slug,
            before={name: before[name] for name in changed},
            after={name: after[name] for name in changed},
        )


def add_plan(  # noqa: PLR0913 - the fields of a plan, all by keyword
    actor: Actor,
    *,
    product: Product,
    kind: str,
    name: str,
    now: datetime,
    account: Account | None = None,
    trial_days: int | None = None,
    trial_minutes: int | None = None,
) -> Plan:
    """Add a plan to a product: for everyone, or for one account with the prices of its contract.

    Only a trial has days, and it can have a cap in connection minutes. Raises Invalid for an
    unknown kind, a name that is empty or too long, a trial without days and another plan with them;
    Conflict for a name in use, a second direct plan and a second trial. Notes plan.added.
    """
    name = name.strip()
    if kind not in Plan.Kind.values:
        raise Invalid("Choose a kind of plan.", field="kind")
    if not 0 < len(name) <= MAX_PLAN_NAME_LENGTH:
        raise Invalid(
            f"Enter a name of at most {MAX_PLAN_NAME_LENGTH} characters.", field="name"
        )
    _check_trial(kind, trial_days, trial_minutes)
    with recorded_change(
        actor, Permission.CATALOGUE_MANAGE, on=PLATFORM, now=now
    ) as trail:
        if product.plans.filter(kind=kind, name=name).exists():
            raise Conflict(f"{product.name} already has a plan {name}.")
        direct = product.plans.filter(
            kind=Plan.Kind.DIRECT, retired_at=None, account=account
        )
        if kind == Plan.Kind.DIRECT and direct.exists():
            raise Conflict(f"{product.name} already has a direct plan.")
        trials = product.plans.filter(kind=Plan.Kind.TRIAL, retired_at=None)
        if kind == Plan.Kind.TRIAL and trials.exists():
            raise Conflict(f"{product.name} already has a trial.")
        plan = Plan.objects.create(
            product=product,
            kind=kind,
            name=name,
            account=account,
            trial_days=trial_days,
            trial_minutes=trial_minutes,
        )
        trail.note(
            Event.PLAN_ADDED,
            target=("plan", plan.pk, name),
            product=product.pk,
            after={"kind": kind, "name": name}
            | ({"account": account.pk} if account else {})
            | ({"trial_days": trial_days} if trial_days else {})
            | ({"trial_minutes": trial_minutes} if trial_minutes else {}),
        )
    return plan


def _check_trial(kind: str, days: int | None, minutes: int | None) -> None:
    if kind != Plan.Kind.TRIAL:
        if days is not None or minutes is not None:
            raise Invalid("Only a trial has an end and a cap.", field="kind")
        return
    if days is None or not 0 < days <= MAX_TRIAL_DAYS:
        raise Invalid(
            f"Enter how many days the trial lasts, from 1 to {MAX_TRIAL_DAYS}.",
            field="trial_days",
        )
    if minutes is not None and not 0 < minutes <= MAX_TRIAL_MINUTES:
        raise Invalid("Enter a number of minutes above zero.", field="trial_minutes")


def write_price(
    trail: Trail,
    *,
    plan: Plan,
    price: NewPrice,
    effective_from: datetime,
    now: datetime,
    follows: PriceVersion | None = None,
) -> PriceVersion:
    """Close the open price of a plan's meter at an instant and open the next, below a `recorded_change`.

    The first price of an account's own plan can follow that of another plan, see `check_price`.

    A price that is not in force yet is withdrawn if the new one takes effect at the same instant.
    Notes price.published in every chain that the change was opened with, and price.closed for a
    withdrawn one. Raises Invalid for an impossible price, for an instant at which the next price
    cannot start, and for a rise before the start of the next month (UTC).
    """
    meter = _checked(plan, price)
    month = month_started(plan, effective_from)
    effective_from = _as_announced(plan, price.meter, month, effective_from)
    replaced = _withdraw(trail, plan, price.meter, effective_from, now)
    last = _last_price(plan, price.meter)
    before = last or follows
    from_month = month if before else ""
    _check_start(plan, last, follows, price, effective_from, now)
    if last is not None and last.effective_to is None:
        last.effective_to, last.to_month = effective_from, from_month
        last.save(update_fields=["effective_to", "to_month"])
    number = (
        max(each.number for each in (last, replaced) if each) if last or replaced else 0
    )
    version = PriceVersion.objects.create(
        plan=plan,
        number=number + 1,
        currency=price.currency,
        meter=price.meter,
        unit_size=meter.unit_size,
        unit_name=meter.unit_name,
        unit_mode=price.unit_mode,
        fee_micros=price.fee_micros,
        included_units=price.included_units,
        proration=price.proration,
        effective_from=effective_from,
        from_month=from_month,
        is_example=price.is_example,
    )
    Tier.objects.bulk_create(
        Tier(
            price_version=version,
            position=position,
            up_to=tier.up_to,
            unit_price_nanos=tier.unit_price_nanos,
        )
        for position, tier in enumerate(price.tiers)
    )
    accounts = Account.objects.in_bulk(list(trail.entries))
    for account_id in trail.entries:
        start = start_for(version, accounts.get(account_id))
        trail.note(
            Event.PRICE_PUBLISHED,
            target=("price_version", version.pk, str(version)),
            product=plan.product_id,
            before=describe_price(before) if before else None,
            after=describe_price(version) | {"effective_from": start.isoformat()},
            account_id=account_id,
        )
    return version


def month_started(plan: Plan, instant: datetime) -> str:
    """Return the month of a plan that starts at an instant: of its account or UTC; "" if none does."""
    calendar = _calendar(plan)
    month = calendar.month_at(instant)
    return str(month) if instant == calendar.starts_at(month) else ""


def _as_announced(
    plan: Plan, meter: str, month: str, effective_from: datetime
) -> datetime:
    """Return the instant of a price of the same month that was published already, if there is one.

    The month can start at another instant since, if the zone has changed.
    """
    rows = plan.prices.filter(meter=meter, withdrawn_at=None).exclude(from_month="")
    found = rows.filter(from_month=month).first()
    return found.effective_from if found else effective_from


def check_price(
    plan: Plan,
    price: NewPrice,
    *,
    effective_from: datetime,
    now: datetime,
    follows: PriceVersion | None = None,
) -> PriceVersion | None:
    """Check a price before it is published; return the one that it follows, if any.

    `follows` is what an account pays by another plan until the first price of its own plan.
    Raises Invalid as `write_price` does.
    """
    _checked(plan, price)
    month = month_started(plan, effective_from)
    effective_from = _as_announced(plan, price.meter, month, effective_from)
    rows = plan.prices.filter(meter=price.meter, withdrawn_at=None)
    if effective_from > now:  # one that starts then is replaced
        rows = rows.exclude(effective_from=effective_from)
    last = rows.order_by("effective_from").last()
    _check_start(plan, last, follows, price, effective_from, now)
    return last or follows


def _checked(plan: Plan, price: NewPrice) -> Meter:
    meter = METERS.get(price.meter)
    if meter is None:
        raise Invalid(f"Choose one of {', '.join(METERS)}.", field="meter")
    if problem := tiers_problem(price.tiers):
        raise Invalid(problem, field="tiers")
    if any(max(t.up_to or 0, t.unit_price_nanos) > MAX_INTEGER for t in price.tiers):
        raise Invalid("A limit or price is too large.", field="tiers")
    if not is_currency(price.currency):
        raise Invalid(CURRENCY_NEEDED, field="currency")
    _check_fee(price)
    other = plan.prices.filter(withdrawn_at=None).exclude(currency=price.currency)
    if other.exists():
        raise Invalid(
            "A plan keeps its currency. Add a plan for the other one.", field="currency"
        )
    return meter


def _check_fee(price: NewPrice) -> None:
    for field in ("fee_micros", "included_units"):
        if getattr(price, field) < 0:
            raise Invalid("This cannot be negative.", field=field)
        if getattr(price, field) > MAX_INTEGER:
            raise Invalid("This is too large.", field=field)
    if price.unit_mode not in PriceVersion.UnitMode.values:
        raise Invalid("Choose a unit mode.", field="unit_mode")
    if price.proration not in PriceVersion.Proration.values:
        raise Invalid("Choose a proration.", field="proration")


def _last_price(plan: Plan, meter: str) -> PriceVersion | None:
    rows = plan.prices.select_for_update().filter(meter=meter, withdrawn_at=None)
    return rows.order_by("effective_from").last()


def _withdraw(
    trail: Trail, plan: Plan, meter: str, effective_from: datetime, now: datetime
) -> PriceVersion | None:
    last = _last_price(plan, meter)
    if last is None or last.effective_from != effective_from or effective_from <= now:
        return None
    last.withdrawn_at = now
    last.save(update_fields=["withdrawn_at"])
    for account_id in trail.entries:
        trail.note(
            Event.PRICE_CLOSED,
            target=("price_version", last.pk, str(last)),
            product=plan.product_id,
            before=describe_price(last),
            after={"withdrawn": True},
            account_id=account_id,
        )
    return last


def next_month_start(plan: Plan, now: datetime) -> datetime:
    """Return when a higher price of a plan can take effect: in UTC, or in the zone of its account.

    A price of everyone starts with the month of each account, so that must not have started.
    """
    calendar = _calendar(plan)
    ahead = now if plan.account else now + MAX_UTC_OFFSET
    return calendar.ends_at(calendar.month_at(ahead))


def _this_month_start(plan: Plan, now: datetime) -> datetime:
    calendar = _calendar(plan)
    return calendar.starts_at(calendar.month_at(now))


def _calendar(plan: Plan) -> Calendar:
    return calendar_of(plan.account) if plan.account else Calendar()


def _check_start(
    plan: Plan,
    last: PriceVersion | None,
    follows: PriceVersion | None,
    price: NewPrice,
    effective_from: datetime,
    now: datetime,
) -> None:
    if last is not None:
        earliest = last.effective_to or last.effective_from
        if effective_from < earliest or effective_from == last.effective_from:
            raise Invalid(
                "The new price must start after the current one.",
                field="effective_from",
            )
    elif plan.account is not None and effective_from < _this_month_start(plan, now):
        raise Invalid(
            "Enter a time in the running month or later. Earlier months are billed.",
            field="effective_from",
        )
    elif follows is not None:
        _check_followed(plan, follows, price, effective_from)
    if effective_from > now + MAX_AHEAD:
        raise Invalid("Enter a time in the next ten years.", field="effective_from")
    before = last or follows
    next_month = next_month_start(plan, now)
    if before and effective_from < next_month and is_rise(price, before):
        raise PriceRiseTooEarly(
            "A higher price can take effect at the start of the next month at the earliest: "
            f"{next_month:%Y-%m-%d %H:%M} UTC.",
            field="effective_from",
        )


def _check_followed(
    plan: Plan, follows: PriceVersion, price: NewPrice, effective_from: datetime
) -> None:
    """Check that a bill can have both prices: the one of another plan, and the one after it."""
    if price.meter != follows.meter:
        raise Invalid(
            f"The account pays for {METERS[follows.meter].heading.lower()}. Choose that.",
            field="meter",
        )
    calendar = _calendar(plan)
    month = calendar.month_at(effective_from)
    is_month_start = effective_from == calendar.starts_at(month)
    if price.currency != follows.currency and not is_month_start:
        raise Invalid(
            f"The account pays in {follows.currency} now. A price in another currency must "
            "take effect at the start of a month.",
            field="currency",
        )


def is_rise(price: NewPrice, last: PriceVersion) -> bool:
    """Tell whether anything costs more by a new price than by the one before it.

    A price in another currency counts as a rise, because it can't be compared.
    """
    if price.currency != last.currency:
        return True
    if price.fee_micros > last.fee_micros or price.included_units < last.included_units:
        return True
    new = TieredPrice(tiers=price.tiers, unit_size=last.unit_size)
    is_blocked = price.unit_mode == PriceVersion.UnitMode.BLOCK != last.unit_mode
    return is_blocked or is_dearer(new, tiered_price(last))


def describe_price(version: PriceVersion) -> dict[str, object]:
    """Return a price as the audit trail keeps it: plain values, prices in nano-units, and in words."""
    return {
        "number": version.number,
        "currency": version.currency,
        "meter": version.meter,
        "unit": version.unit_name,
        "effective_from": version.effective_from.isoformat(),
        "fee_micros": version.fee_micros,
        "included_units": version.included_units,
        "unit_mode": version.unit_mode,
        "proration": version.proration,
        "tiers": [
            {"up_to": tier.up_to, "unit_price_nanos": tier.unit_price_nanos}
            for tier in version.tiers.all()
        ],
        "in_words": " ".join(price_sentences(NewPrice.of(version))),
    }


def _known(fields: Mapping[str, object]) -> dict[str, object]:
    unknown = sorted(set(fields) - set(PRODUCT_FIELDS))
    if unknown:
        raise Invalid(
            f"A product does not have the field {', '.join(unknown)}.", field=unknown[0]
        )
    return dict(fields)


def _values(product: Product) -> dict[str, object]:
    return {name: getattr(product, name) for name in PRODUCT_FIELDS}
