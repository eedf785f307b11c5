"""What publishing a price would change for each account: its monthly amount before and after."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from django.db.models import F, QuerySet, Sum

from accounts.date_formats import minute_text
from accounts.models import Account
from products.billing.bill import BANDWIDTH
from products.billing.estimates import month_cost
from products.billing.queries.terms import is_metered
from products.calendars import calendar_of
from products.catalogue.commands import check_price, is_rise, month_started
from products.catalogue.models import Plan, PriceVersion
from products.catalogue.money import Money
from products.catalogue.prices import NewPrice, PriceRow, price_rows
from products.catalogue.queries import start_for
from products.enablement.agreements import text_hash
from products.enablement.models import Enablement
from products.enablement.queries import (
    accounts_on,
    accounts_with_own_price,
    current,
    followed_price,
)
from products.metering.models import UsagePeriod
from products.months import Month, month_name
from products.units import bytes_in_words

# The page lists so many accounts; it counts the others, and adds up all.
MAX_LISTED: Final = 100
_USED: Final = {
    "connection_time": Sum("minutes"),
    BANDWIDTH: Sum(
        F("bytes_from_client")
        + F("bytes_to_client")
        + F("delivery_bytes_from_client")
        + F("delivery_bytes_to_client")
    ),
}


@dataclass(frozen=True, slots=True)
class MonthUse:
    """What an account used on a meter in its last whole month, or so far in the running one."""

    month: Month
    is_running: bool
    quantity: int  # minutes or bytes

    @property
    def month_text(self) -> str:
        """Return the month in words."""
        return month_name(str(self.month)) + (" so far" if self.is_running else "")


@dataclass(frozen=True, slots=True)
class AccountChange:
    """What a price changes for an account: the amount of a month with the same usage.

    `before` is None if there was no price. `difference` is None if the currency changes.
    """

    account: Account
    starts_at: datetime
    zone: str
    use: MonthUse
    meter: str
    before: Money | None
    after: Money

    @property
    def difference(self) -> Money | None:
        """Return by how much the amount grows."""
        if self.before is None or self.before.currency != self.after.currency:
            return None
        return self.after - self.before

    @property
    def difference_text(self) -> str:
        """Return the difference with its sign."""
        return _signed(self.difference)

    @property
    def starts_text(self) -> str:
        """Return when the price takes effect, in the billing zone of the account."""
        return minute_text(self.starts_at, ZoneInfo(self.zone))

    @property
    def used_text(self) -> str:
        """Return the usage with its unit."""
        if self.meter == BANDWIDTH:
            return bytes_in_words(self.use.quantity)
        return f"{self.use.quantity:,} minute{'' if self.use.quantity == 1 else 's'}"


@dataclass(frozen=True, slots=True)
class CurrencyTotal:
    """The amounts of all accounts in a currency; None if no account has one."""

    currency: str
    before: Money | None
    after: Money | None
    difference: Money | None

    @property
    def difference_text(self) -> str:
        """Return the difference with its sign."""
        return _signed(self.difference)

    @property
    def text(self) -> str:
        """Return the amounts before and after, in words."""
        amounts = [
            f"{amount} {when}"
            for amount, when in ((self.before, "before"), (self.after, "after"))
            if amount is not None
        ]
        return ", ".join(amounts)


@dataclass(frozen=True, slots=True)
class PricePreview:
    """What publishing a price changes, and for which accounts: those with the largest rise first."""

    new: tuple[PriceRow, ...]
    current: tuple[PriceRow, ...]  # empty if it is the first
    is_rise: bool
    follows: Plan | None  # the other plan whose price the account pays until then
    counts_later: (
        str  # why the price of an account's own plan does not count yet, in a sentence
    )
    effective_from: datetime
    changes: tuple[AccountChange, ...]
    totals: tuple[CurrencyTotal, ...]
    own_price: tuple[Account, ...]  # not touched: they have prices of their own
    seen: str  # a hash of all but the usage; publishing sends it back

    @property
    def listed(self) -> Sequence[AccountChange]:
        """Return the changes that the page lists."""
        return self.changes[:MAX_LISTED]

    @property
    def more_changes(self) -> int:
        """Return how many changes the page does not list."""
        return len(self.changes) - len(self.listed)

    @property
    def listed_own_price(self) -> Sequence[Account]:
        """Return the accounts with own prices that the page lists."""
        return self.own_price[:MAX_LISTED]

    @property
    def more_own_price(self) -> int:
        """Return how many accounts with own prices the page does not list."""
        return len(self.own_price) - len(self.listed_own_price)


def price_preview(
    plan: Plan, price: NewPrice, *, effective_from: datetime, now: datetime
) -> PricePreview:
    """Return what publishing a price would change: several queries for any number of accounts.

    Amounts are of whole months, with the fee. Usage is read from periods, which are at most ten
    minutes old. Raises Invalid as `change_price` does.
    """
    last = check_price(
        plan,
        price,
        effective_from=effective_from,
        now=now,
        follows=followed_price(plan, effective_from),
    )
    before = NewPrice.of(last) if last else None
    accounts = _accounts(accounts_on(plan, effective_from))
    used = _used(plan, price.meter, effective_from, accounts, now)
    month = month_started(plan, effective_from) if last else ""
    start = PriceVersion(effective_from=effective_from, from_month=month)
    changes = []
    for account in accounts:
        use = used[account.pk]
        starts_at = start_for(start, account)
        changes.append(
            AccountChange(
                account=account,
                starts_at=starts_at,
                zone=calendar_of(account).zone_at(starts_at),
                use=use,
                meter=price.meter,
                before=month_cost(before, use.quantity).amount if before else None,
                after=month_cost(price, use.quantity).amount,
            )
        )
    ids = " ".join(account.pk for account in accounts)
    return PricePreview(
        new=price_rows(price),
        current=price_rows(before) if before else (),
        is_rise=last is not None and is_rise(price, last),
        follows=last.plan if last and last.plan != plan else None,
        counts_later=_counts_later(plan),
        effective_from=effective_from,
        changes=tuple(sorted(changes, key=_largest_rise_first)),
        totals=tuple(_totals(changes)),
        own_price=tuple(_accounts(accounts_with_own_price(plan, effective_from))),
        seen=text_hash(f"{price} {effective_from.isoformat()} {ids}"),
    )


def _signed(amount: Money | None) -> str:
    if amount is None:
        return "–"
    return f"+{amount}" if amount.micros > 0 else str(amount)


def _accounts(rows: "QuerySet[Account]") -> list[Account]:
    return list(rows.only("name", "billing_zone", "zone_changes"))


def _largest_rise_first(change: AccountChange) -> tuple[int, int]:
    grows = change.difference.micros if change.difference else 0
    return -grows, -change.after.micros


def _totals(changes: Iterable[AccountChange]) -> Iterable[CurrencyTotal]:
    before: dict[str, Money] = {}
    after: dict[str, Money] = {}
    difference: dict[str, Money] = {}
    for each in changes:
        for sums, amount in (
            (before, each.before),
            (after, each.after),
            (difference, each.difference),
        ):
            if amount is not None:
                known = sums.get(amount.currency, Money(0, amount.currency))
                sums[amount.currency] = known + amount
    for currency in sorted({*before, *after}):
        yield CurrencyTotal(
            currency,
            before.get(currency),
            after.get(currency),
            difference.get(currency),
        )


def _used(
    plan: Plan,
    meter: str,
    effective_from: datetime,
    accounts: Iterable[Account],
    now: datetime,
) -> Mapping[str, MonthUse]:
    """Return by account the usage that a plan bills on a meter, of one month."""
    running = {each.pk: calendar_of(each).month_at(now) for each in accounts}
    months = {*running.values(), *(each.plus(-1) for each in running.values())}
    found: dict[tuple[str, str], int] = {}
    if is_metered(plan.product_id, meter):
        rows = UsagePeriod.objects.filter(
            account_id__in=accounts_on(plan, effective_from).values("pk"),
            month__in=[str(each) for each in months],
        )
        sums = rows.order_by().values("account_id", "month")
        for row in sums.annotate(used=_USED[meter]):
            found[row["account_id"], row["month"]] = int(row["used"])
    uses = {}
    for account_id, month in running.items():
        whole = found.get((account_id, str(month.plus(-1))))
        uses[account_id] = (
            MonthUse(
                month, is_running=True, quantity=found.get((account_id, str(month)), 0)
            )
            if whole is None
            else MonthUse(month.plus(-1), is_running=False, quantity=whole)
        )
    return uses


def _counts_later(plan: Plan) -> str:
    """Return why the price of an account's own plan does not count yet; "" if it does."""
    is_always = plan.product.is_always_included
    if plan.account is None or plan.kind != Plan.Kind.DIRECT or is_always:
        return ""
    held = current(plan.account.pk, plan.product_id)
    if held is None:
        return f"{plan.account} does not have {plan.product}. The price counts once it is enabled."
    if held.source != Enablement.Source.DIRECT:
        return (
            f"{plan.account} has {plan.product} from a {held.source}, the plan {held.plan}. The "
            "price counts once it is bought."
        )
    return ""
