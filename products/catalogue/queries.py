"""Products on sale, and prices at an instant."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Case, Q, QuerySet, Value, When, prefetch_related_objects

from accounts.errors import NotFound
from accounts.models import Account
from accounts.prepared import PreparedQuery
from products.calendars import Calendar, calendar_of
from products.catalogue.models import Plan, PriceVersion, Product
from products.catalogue.tiers import METERS, PriceTier, TieredPrice, UnitMode
from products.months import Month

# The start of a month in one zone is less than this before or after that in another.
_MAX_MOVE = timedelta(days=2)


def on_sale() -> "QuerySet[Product]":
    """Return the products that customers see, in the order of the catalogue."""
    return Product.objects.filter(state=Product.State.ACTIVE).order_by(
        "position", "name"
    )


def names_of(slugs: Collection[str]) -> dict[str, str]:
    """Return the names of products by slug, whatever their state."""
    return dict(Product.objects.filter(pk__in=slugs).values_list("pk", "name"))


def product(slug: str) -> Product:
    """Return a product that customers see. Raises NotFound."""
    found = on_sale().filter(pk=slug).first()
    if found is None:
        raise NotFound(f"There is no product {slug}.")
    return found


def direct_prices(
    when: datetime, *, account: Account | None = None, slug: str = ""
) -> dict[str, PriceVersion]:
    """Return the direct price of each product at an instant, with plan and tiers, by slug.

    With `slug`, of that product alone. With `account`, its own plan counts before the plan of
    everyone, and prices start and end with its months. If a plan has prices for several meters,
    this is the first of METERS. Every page and command reads the same price here.
    """
    month = _month_of(account, when)
    only = [slug] if slug else []
    rows = _IN_FORCE.rows(account.pk if account else "", when, month, *only)
    return _by_product(_of_account(rows, account))


@dataclass(frozen=True, slots=True)
class DirectPrices:
    """The direct price of each product for an account at an instant, and the next one, by slug."""

    current: Mapping[str, PriceVersion]
    next: Mapping[str, PriceVersion]


def direct_prices_from(
    when: datetime, *, account: Account, slug: str = ""
) -> DirectPrices:
    """Return the prices of `direct_prices` and those that follow them, with plan and tiers.

    An account with a price of its own is not concerned by that of everyone.
    """
    month = _month_of(account, when)
    only = [slug] if slug else []
    rows = _of_account(_NOT_ENDED.rows(account.pk, when, month, *only), account)
    current = _by_product(row for row in rows if row.effective_from <= when)
    following: dict[str, PriceVersion] = {}
    for row in sorted(rows, key=lambda row: (row.effective_from, *_precedence(row))):
        price = current.get(row.plan.product_id)
        if row.effective_from > when and (
            price is None or price.plan.account_id in {None, row.plan.account_id}
        ):
            following.setdefault(row.plan.product_id, row)
    return DirectPrices(current, following)


def _direct(account_id: str, *only: str) -> "QuerySet[PriceVersion]":
    """Return the direct prices of everyone and of an account, of all products or one."""
    rows = PriceVersion.objects.filter(
        Q(plan__account=None) | Q(plan__account=account_id),
        plan__kind=Plan.Kind.DIRECT,
        plan__retired_at=None,
        withdrawn_at=None,
    ).select_related("plan")
    return rows.filter(plan__product__in=only) if only else rows


def _by_product(prices: Iterable[PriceVersion]) -> dict[str, PriceVersion]:
    return {row.plan.product_id: row for row in sorted(prices, key=_precedence)}


def _precedence(price: PriceVersion) -> tuple[bool, int, int]:
    # Of two versions in force, which only a change of zone can lead to, the earlier one counts.
    meter = list(METERS).index(price.meter)
    return price.plan.account_id is not None, -meter, -price.number


def direct_price(
    slug: str, when: datetime, *, account: Account | None = None
) -> PriceVersion | None:
    """Return what a product costs at an instant if bought directly; None if it has no price."""
    return direct_prices(when, account=account, slug=slug).get(slug)


def trial_plans(slug: str = "") -> dict[str, Plan]:
    """Return the plan of the trial of each product that has one, by slug; with `slug`, of it alone."""
    rows = Plan.objects.filter(kind=Plan.Kind.TRIAL, retired_at=None, account=None)
    if slug:
        rows = rows.filter(product_id=slug)
    return {row.product_id: row for row in rows.select_related("product")}


def prices_on(
    plan: Plan, when: datetime, account: Account | None = None
) -> list[PriceVersion]:
    """Return a plan's prices at an instant, one per meter, in the order of METERS."""
    month = _month_of(account, when)
    rows = _of_account(_OF_PLAN.rows(plan.pk, when, month), account)
    found = {row.meter: row for row in sorted(rows, key=_precedence)}
    return sorted(found.values(), key=_precedence, reverse=True)


def prices_beside(
    price: PriceVersion | None, when: datetime, account: Account | None = None
) -> list[PriceVersion]:
    """Return a price with those of its plan on other meters; none without a price."""
    if price is None:
        return []
    rows = prices_on(price.plan, when, account)
    others = [row for row in rows if row.meter != price.meter]
    return sorted([price, *others], key=_precedence, reverse=True)


def billable_prices(
    plans: Collection[str], starts_at: datetime, ends_at: datetime, account: Account
) -> list[PriceVersion]:
    """Return the price versions that an account can be billed in a period, in order, with tiers.

    Those of some plans and of the products that every account has, if they are in force in the
    period, and all of the account's own direct plans.
    """
    rows = _BILLABLE.rows(
        list(plans), account.pk, starts_at - _MAX_MOVE, ends_at + _MAX_MOVE
    )
    return _of_account(rows, account)


def _billable(
    plans: Collection[str], account_id: str, since: datetime, until: datetime
) -> "QuerySet[PriceVersion]":
    """Compose the query of `billable_prices`."""
    held = Plan.objects.filter(
        Q(pk__in=plans)
        | Q(kind=Plan.Kind.DIRECT, retired_at=None)
        & (
            Q(account=account_id)
            | Q(account=None, product__purchase_mode=Product.PurchaseMode.ALWAYS)
        )
    )
    is_in_period = Q(effective_from__lt=until) & (
        Q(effective_to=None) | Q(effective_to__gt=since)
    )
    return (
        PriceVersion.objects.filter(
            is_in_period | Q(plan__account=account_id),
            plan__in=held,
            withdrawn_at=None,
        )
        .select_related("plan__product")
        .order_by("effective_from", "plan_id", "meter")
    )


_BILLABLE: Final = PreparedQuery(_billable)


def direct_at(
    prices: Iterable[PriceVersion], when: datetime
) -> dict[str, PriceVersion]:
    """Return the direct price of each product at an instant, as `direct_prices` does.

    `prices` were read for an account.
    """
    return _by_product(
        row
        for row in prices
        if row.plan.kind == Plan.Kind.DIRECT
        and row.plan.retired_at is None
        and row.effective_from <= when
        and (row.effective_to is None or when < row.effective_to)
    )


def tiered_price(version: PriceVersion) -> TieredPrice:
    """Return the tiers of a price version, as rating and pages use them."""
    blocks = version.unit_mode == PriceVersion.UnitMode.BLOCK
    mode: UnitMode = "block" if blocks else "fraction"
    return TieredPrice(
        tiers=tuple(
            PriceTier(tier.up_to, tier.unit_price_nanos) for tier in version.tiers.all()
        ),
        unit_size=version.unit_size,
        unit_mode=mode,
    )


def _is_in_force(when: datetime, month: str) -> Q:
    """Return the condition of a price version at an instant, in a month of the account."""
    has_started = Q(from_month="", effective_from__lte=when) | Q(
        from_month__gt="", from_month__lte=month
    )
    return Q(withdrawn_at=None) & has_started & _has_not_ended(when, month)


def _has_not_ended(when: datetime, month: str) -> Q:
    return (
        Q(effective_to=None)
        | Q(to_month="", effective_to__gt=when)
        | Q(to_month__gt=month)
    )


_IN_FORCE: Final = PreparedQuery(
    lambda account_id, when, month, *only: _direct(account_id, *only).filter(
        _is_in_force(when, month)
    )
)
_OF_PLAN: Final = PreparedQuery(
    lambda plan_id, when, month: PriceVersion.objects.filter(
        _is_in_force(when, month), plan=plan_id
    ).select_related("plan")
)
_NOT_ENDED: Final = PreparedQuery(
    lambda account_id, when, month, *only: _direct(account_id, *only).filter(
        _has_not_ended(when, month)
    )
)


def price_state(when: datetime) -> Case:
    """Return SQL for the state of a price version at an instant, one of `PriceVersion.State`.

    A price that starts with the month of each account starts with that of its plan: of the plan's
    account, or of UTC.
    """
    return Case(
        When(withdrawn_at__isnull=False, then=Value(PriceVersion.State.WITHDRAWN)),
        When(effective_from__gt=when, then=Value(PriceVersion.State.ANNOUNCED)),
        When(effective_to__lte=when, then=Value(PriceVersion.State.PAST)),
        default=Value(PriceVersion.State.IN_FORCE),
    )


def start_for(price: PriceVersion, account: Account | None) -> datetime:
    """Return when a price starts for an account: with its month, if the price starts with one.

    Without an account, months are those of UTC.
    """
    if not price.from_month:
        return price.effective_from
    return _calendar(account).starts_at(Month.read(price.from_month))


def _of_account(
    rows: Iterable[PriceVersion], account: Account | None
) -> list[PriceVersion]:
    """Return prices with their tiers, which start and end when they do for an account."""
    found = list(rows)
    prefetch_related_objects(found, "tiers")
    for row in found:
        row.effective_from = start_for(row, account)
        if row.to_month:
            end = _calendar(account).starts_at(Month.read(row.to_month))
            row.effective_to = end
    return found


def _calendar(account: Account | None) -> Calendar:
    return calendar_of(account) if account else Calendar()


def _month_of(account: Account | None, when: datetime) -> str:
    """Return the account's month at an instant, as prices name months."""
    return str(_calendar(account).month_at(when))
