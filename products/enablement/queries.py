"""What accounts and services have enabled, and at which price."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.db.models import Exists, FilteredRelation, Max, Q, QuerySet

from accounts.errors import NotFound
from accounts.models import Account
from accounts.prepared import PreparedQuery
from products.calendars import Calendar
from products.catalogue.models import Plan, PriceVersion, Product
from products.catalogue.queries import (
    direct_price,
    direct_prices_from,
    on_sale,
    prices_on,
    trial_plans,
)
from products.compatibility.findings import Finding
from products.compatibility.rules import blocking_switch
from products.compatibility.version_config import WEBSOCKETS
from products.enablement.agreements import text_hash
from products.enablement.models import (
    BudgetBlock,
    Enablement,
    ProductRequest,
    ServiceProduct,
)
from products.enablement.refusals import trial_refusal
from products.metering.queries.daily import minutes_at
from products.metering.queries.usage import service_ids_of, totals_between
from products.services.models import Service
from products.services.queries import active_configs

TRIAL_ENDED = "The trial ended."
BUDGET_USED_UP = "The budget of this month is used up."
# A requester still needs to read these on a later day.
NEEDED_STATES: Final = (
    ProductRequest.State.OPEN,
    ProductRequest.State.ANSWERED,
    ProductRequest.State.DECLINED,
)


class BlockedBy(StrEnum):
    """What has been reached, so that new connections are refused (R16)."""

    BUDGET = "budget"
    TRIAL = "trial"


@dataclass(frozen=True, slots=True)
class Block:
    """Why new connections of a product that an account has are refused."""

    by: BlockedBy
    reason: str


@dataclass(frozen=True, slots=True)
class ProductState:
    """A product of the catalogue as one account has it."""

    product: Product
    enablement: Enablement | None  # the open one
    last: Enablement | None  # the newest closed one
    price: PriceVersion | None  # what it costs, or would
    next_price: PriceVersion | None  # that was announced
    services: tuple[Service, ...]  # those that have it switched on
    trial: Enablement | None = None  # running or ended (R18)
    trial_plan: Plan | None = None  # of the trial that the product has
    budget_block: BudgetBlock | None = None  # also while the product is disabled

    @property
    def is_on(self) -> bool:
        """Tell whether the account has the product."""
        return self.enablement is not None or self.product.is_always_included

    @property
    def is_over_budget(self) -> bool:
        """Tell whether a budget blocks it."""
        return self.block is not None and self.block.by is BlockedBy.BUDGET

    @property
    def on_trial(self) -> bool:
        """Tell whether the account has the product from its trial, which may have ended."""
        return self.enablement is not None and self.enablement.is_trial

    @property
    def block(self) -> Block | None:
        """Return why new connections are refused; None if they are not, or it is disabled."""
        return block_of(self.enablement, self.budget_block)

    @property
    def can_be_tried(self) -> bool:
        """Tell whether a superuser can start a trial."""
        refusal = trial_refusal(
            self.product,
            enablement=self.enablement,
            trial=self.trial,
            plan=self.trial_plan,
        )
        return refusal is None


def current(account_id: str, slug: str) -> Enablement | None:
    """Return the open enablement of a product for an account, with plan and price."""
    return current_by_account([account_id], slug).get(account_id)


_OPEN: Final = PreparedQuery(
    lambda account_ids, slug: Enablement.objects.filter(
        account_id__in=account_ids, product_id=slug, ends_at=None
    ).select_related("plan", "price_version", "product")
)


def current_by_account(account_ids: Iterable[str], slug: str) -> dict[str, Enablement]:
    """Return the open enablements of a product, by account."""
    return {row.account_id: row for row in _OPEN.rows(list(account_ids), slug)}


def block_of(
    enablement: Enablement | None, budget_block: BudgetBlock | None
) -> Block | None:
    """Return why new connections under an open enablement are refused; None if they are not."""
    if enablement is None:
        return None
    return _block(
        enablement.blocked_at,
        enablement.blocked_reason,
        is_over_budget=budget_block is not None,
    )


def _block(
    trial_ended_at: datetime | None, reason: str, *, is_over_budget: bool
) -> Block | None:
    """Return why connections are refused; a trial that ended comes before the budget."""
    if trial_ended_at is not None:
        return Block(BlockedBy.TRIAL, reason or TRIAL_ENDED)
    return Block(BlockedBy.BUDGET, BUDGET_USED_UP) if is_over_budget else None


def budget_blocks(account_id: str) -> dict[str, BudgetBlock]:
    """Return what the budget of an account blocks, by product, enabled or not."""
    rows = BudgetBlock.objects.filter(account_id=account_id)
    return {row.product_id: row for row in rows}


def last_closed(account_id: str, slug: str) -> Enablement | None:
    """Return the newest enablement that has ended."""
    return last_closed_by_account([account_id], slug).get(account_id)


def last_closed_by_account(
    account_ids: Iterable[str], slug: str
) -> dict[str, Enablement]:
    """Return the newest enablements that have ended, by account."""
    rows = Enablement.objects.filter(
        account_id__in=account_ids, product_id=slug
    ).exclude(ends_at=None)
    return {row.account_id: row for row in rows.order_by("ends_at", "starts_at")}


@dataclass(frozen=True, slots=True)
class ServiceEntitlement:
    """What a service has on, and whether its account has one product and may use it."""

    products: frozenset[str]  # switched on for the service (R4)
    is_enabled: bool  # for the account (R2)
    blocked_reason: str  # R16; empty if nothing blocks it
    is_over_budget: bool = False  # a budget blocks it

    def has(self, slug: str) -> bool:
        """Tell whether a product is switched on for the service."""
        return slug in self.products


def _service_rows(service_ids: Sequence[str], slug: str) -> "QuerySet[Any, Any]":
    """Compose the query of services with what they and their accounts have."""
    return (
        Service.objects.filter(pk__in=service_ids)
        .annotate(
            switch=FilteredRelation("products", condition=Q(products__ends_at=None)),
            held=FilteredRelation(
                "account__enablements",
                condition=Q(
                    account__enablements__product=slug,
                    account__enablements__ends_at=None,
                ),
            ),
            budget_block=FilteredRelation(
                "account__budget_blocks",
                condition=Q(account__budget_blocks__product=slug),
            ),
        )
        .values_list(
            "pk",
            "switch__product_id",
            "held__pk",
            "held__blocked_at",
            "held__blocked_reason",
            "budget_block__pk",
        )
    )


_ENTITLEMENTS: Final = PreparedQuery(_service_rows)


def entitlements_of(
    service_ids: Collection[str], slug: str
) -> dict[str, ServiceEntitlement]:
    """Return what services have on and how their accounts have a product, by service: one query."""
    rows = _ENTITLEMENTS.rows(list(service_ids), slug)
    found: dict[str, ServiceEntitlement] = {}
    for service_id, product, held, trial_ended_at, reason, budget_block in rows:
        block = _block(trial_ended_at, reason, is_over_budget=budget_block is not None)
        before = found[service_id].products if service_id in found else frozenset()
        found[service_id] = ServiceEntitlement(
            products=before | {product} if product else before,
            is_enabled=held is not None,
            blocked_reason=block.reason if block else "",
            is_over_budget=block is not None and block.by is BlockedBy.BUDGET,
        )
    return found


def conflicts(service: Service, *, with_: str) -> tuple[Finding, ...]:
    """Return what blocks switching a product on for a service (R6–R8): three queries."""
    return conflicts_by_service([service], with_=with_)[service.pk]


def conflicts_by_service(
    services: Collection[Service], *, with_: str
) -> dict[str, tuple[Finding, ...]]:
    """Return what blocks switching a product on, by service: three queries for any number.

    The other products of each service and its active version count.
    """
    configs = active_configs(services)
    on = products_on_by_service([service.pk for service in services])
    return {
        service.pk: blocking_switch(
            configs.get(service.pk), on.get(service.pk, frozenset()), with_=with_
        )
        for service in services
    }


def products_on_by_service(service_ids: Iterable[str]) -> dict[str, frozenset[str]]:
    """Return the slugs of the products switched on, by service; services without are left out."""
    on: dict[str, set[str]] = {}
    rows = ServiceProduct.objects.filter(service_id__in=service_ids, ends_at=None)
    for service_id, slug in rows.values_list("service_id", "product_id"):
        on.setdefault(service_id, set()).add(slug)
    return {service_id: frozenset(slugs) for service_id, slugs in on.items()}


def last_switched_off(
    service_ids: Iterable[str], slug: str
) -> dict[str, ServiceProduct]:
    """Return the newest switches of a product that have ended, by service."""
    rows = ServiceProduct.objects.filter(
        service_id__in=service_ids, product_id=slug
    ).exclude(ends_at=None)
    return {row.service_id: row for row in rows.order_by("ends_at")}


def switch_of(service: Service, slug: str) -> ServiceProduct | None:
    """Return the open switch of a product on a service."""
    return ServiceProduct.objects.filter(
        service=service, product_id=slug, ends_at=None
    ).first()


def other_switches(service: Service) -> list[tuple[Product, ServiceProduct | None]]:
    """Return the products besides WebSockets that a service can have, each with its open switch.

    Those that the account has and that fit the type, and those that are switched on; two queries.
    """
    rows = ServiceProduct.objects.filter(service=service, ends_at=None)
    switches = {row.product_id: row for row in rows}
    held = Enablement.objects.filter(account_id=service.account_id, ends_at=None)
    products = on_sale().filter(
        Q(pk__in=held.values("product"), per_service=True) | Q(pk__in=list(switches))
    )
    return [
        (product, switches.get(product.pk))
        for product in products.exclude(pk=WEBSOCKETS)
        if product.pk in switches or product.supports(service.type)
    ]


def services_with(account_id: str, slug: str) -> "QuerySet[Service]":
    """Return the account's existing services that have a product switched on, by name."""
    return (
        Service.objects.filter(
            account_id=account_id,
            deleted_at=None,
            products__product_id=slug,
            products__ends_at=None,
        )
        .distinct()
        .order_by("name")
    )


_ENABLEMENTS: Final = PreparedQuery(
    lambda account_id: (
        Enablement.objects.filter(account=account_id)
        .select_related("plan", "price_version")
        .order_by("starts_at")
    )
)
_SWITCHES: Final = PreparedQuery(
    lambda account_id: (
        ServiceProduct.objects.filter(
            service__account=account_id, service__deleted_at=None, ends_at=None
        )
        .select_related("service")
        .order_by("service__name")
    )
)


def products_of(account: Account, now: datetime) -> list[ProductState]:
    """Return every product on sale as the account has it; a constant number of queries."""
    opened: dict[str, Enablement] = {}
    closed: dict[str, Enablement] = {}
    trials: dict[str, Enablement] = {}
    for row in _ENABLEMENTS.rows(account.pk):
        if row.is_trial:
            trials[row.product_id] = row
        (opened if row.ends_at is None else closed)[row.product_id] = row
    using: dict[str, list[Service]] = {}
    for switch in _SWITCHES.rows(account.pk):
        using.setdefault(switch.product_id, []).append(switch.service)
    prices = direct_prices_from(now, account=account)
    plans = trial_plans()
    blocks = budget_blocks(account.pk)
    return [
        ProductState(
            product=product,
            enablement=opened.get(product.pk),
            last=closed.get(product.pk),
            price=prices.current.get(product.pk),
            next_price=prices.next.get(product.pk),
            services=tuple(using.get(product.pk, ())),
            trial=trials.get(product.pk),
            trial_plan=plans.get(product.pk),
            budget_block=blocks.get(product.pk),
        )
        for product in on_sale()
    ]


def state_of(account: Account, product: Product, now: datetime) -> ProductState:
    """Return one product as the account has it."""
    prices = direct_prices_from(now, account=account, slug=product.pk)
    return ProductState(
        product=product,
        enablement=current(account.pk, product.pk),
        last=last_closed(account.pk, product.pk),
        price=prices.current.get(product.pk),
        next_price=prices.next.get(product.pk),
        services=tuple(services_with(account.pk, product.pk)),
        trial=trial_of(account.pk, product.pk),
        trial_plan=trial_plans(product.pk).get(product.pk),
        budget_block=budget_blocks(account.pk).get(product.pk),
    )


def trial_of(account_id: str, slug: str) -> Enablement | None:
    """Return the account's trial of a product, running or ended; None if it never had one."""
    return Enablement.objects.filter(
        account_id=account_id, product_id=slug, source=Enablement.Source.TRIAL
    ).first()


def agreements_of(account: Account) -> "QuerySet[Enablement]":
    """Return the account's enablements that have an agreement."""
    rows = Enablement.objects.filter(account=account).exclude(agreed_text_hash="")
    return rows.select_related("product")


def matching_agreements(
    rows: "QuerySet[Enablement]", text: str
) -> "QuerySet[Enablement]":
    """Keep the agreements whose product or person has the text in its name."""
    return rows.filter(Q(product__name__icontains=text) | Q(started_by__icontains=text))


def running_trials() -> "QuerySet[Enablement]":
    """Return the trials of all accounts that have not ended."""
    return Enablement.objects.filter(
        source=Enablement.Source.TRIAL, ends_at=None, blocked_at=None
    )


def trial_minutes_used(trial: Enablement, now: datetime) -> int | None:
    """Return the connection minutes used in a trial; None for a product that has none.

    While it runs they are counted from the usage records; afterwards the trial keeps the number.
    """
    if trial.product_id != WEBSOCKETS:
        return None
    if trial.trial_ended_at is not None:
        return trial.trial_used_minutes
    services = service_ids_of(trial.account_id)
    totals = totals_between(services, trial.starts_at, now)
    return sum(each.minutes for each in totals.values())


def shown_trial_minutes(
    trial: Enablement, calendar: Calendar, now: datetime
) -> int | None:
    """Return `trial_minutes_used` for a page: at most ten minutes old.

    With many connections in a month, they are read from its periods.
    """
    if trial.product_id != WEBSOCKETS or trial.trial_ended_at is not None:
        return trial_minutes_used(trial, now)
    local = ZoneInfo(calendar.zone_at(now))
    tomorrow = now.astimezone(local).date() + timedelta(days=1)
    bounds = [trial.starts_at, datetime.combine(tomorrow, time(), local)]
    return minutes_at(service_ids_of(trial.account_id), bounds, calendar).totals[-1]


def accounts_on(plan: Plan, when: datetime) -> "QuerySet[Account]":
    """Return the accounts that a plan's price of an instant is for, by name.

    Of an account's own plan that account alone. Else those with an open enablement under the plan,
    and of a product that is part of every account all accounts, once the plan has a price; without
    those that have a price of their own by then.
    """
    if plan.account_id is not None:
        return Account.objects.filter(pk=plan.account_id)
    has = Enablement.objects.filter(plan=plan, ends_at=None)
    touched = Q(pk__in=has.values("account"))
    if plan.product.is_always_included:
        touched |= Q(Exists(plan.prices.all()))
    if plan.kind == Plan.Kind.DIRECT:
        touched &= ~Q(pk__in=_own_plans(plan.product, when).values("account"))
    return Account.objects.filter(touched).order_by("name", "pk")


def accounts_with_own_price(plan: Plan, when: datetime) -> "QuerySet[Account]":
    """Return the accounts that have a product at a price of their own at an instant, by name.

    None unless the plan is the direct one of everyone: its price is not for them.
    """
    if plan.account_id is not None or plan.kind != Plan.Kind.DIRECT:
        return Account.objects.none()
    rows = Account.objects.filter(
        pk__in=_own_plans(plan.product, when).values("account")
    )
    if not plan.product.is_always_included:
        has = Enablement.objects.filter(
            product=plan.product, ends_at=None, source=Enablement.Source.DIRECT
        )
        rows = rows.filter(pk__in=has.values("account"))
    return rows.order_by("name", "pk")


def _own_plans(product: Product, when: datetime) -> "QuerySet[Plan]":
    """Return the direct plans of single accounts that have a price at an instant."""
    return Plan.objects.filter(
        product=product,
        kind=Plan.Kind.DIRECT,
        retired_at=None,
        account__isnull=False,
        prices__withdrawn_at=None,
        prices__effective_from__lte=when,
    )


def price_of(enablement: Enablement, when: datetime) -> PriceVersion | None:
    """Return what an account pays at an instant for what it has; None if that has no price.

    A price of the account's own replaces that of the direct plan of everyone.
    """
    if enablement.source == Enablement.Source.DIRECT:
        return direct_price(enablement.product_id, when, account=enablement.account)
    return next(iter(prices_on(enablement.plan, when, enablement.account)), None)


def followed_price(plan: Plan, when: datetime) -> PriceVersion | None:
    """Return what an account pays at an instant for a product that it has, by another plan.

    The first price of the account's own `plan` follows it. None for the plan of everyone, and if
    the account does not have the product, or has it from a package or trial.
    """
    if plan.account_id is None or plan.kind != Plan.Kind.DIRECT:
        return None
    if plan.product.is_always_included:
        return direct_price(plan.product_id, when)
    held = current(plan.account_id, plan.product_id)
    if held is None or held.source != Enablement.Source.DIRECT or held.plan == plan:
        return None
    return next(iter(prices_on(held.plan, when, plan.account)), None)


def assignable_plans(account: Account) -> "QuerySet[Plan]":
    """Return the packages that staff can assign to an account: of products that it does not have."""
    has = Enablement.objects.filter(account=account, ends_at=None).exclude(
        source=Enablement.Source.TRIAL
    )
    rows = Plan.objects.filter(
        Q(account=None) | Q(account=account), kind=Plan.Kind.PACKAGE, retired_at=None
    ).exclude(product__in=has.values("product"))
    return rows.select_related("product").order_by("product__position", "name")


def open_requests(account: Account) -> "QuerySet[ProductRequest]":
    """Return the account's requests that are not answered, newest first."""
    rows = ProductRequest.objects.filter(
        account=account, state=ProductRequest.State.OPEN
    )
    return rows.select_related("product").order_by("-requested_at", "-pk")


def request_of(account: Account, request_id: int) -> ProductRequest:
    """Return one of the account's requests. Raises NotFound."""
    rows = ProductRequest.objects.filter(account=account).select_related("product")
    found = rows.filter(pk=request_id).first()
    if found is None:
        raise NotFound("Request not found.")
    return found


@dataclass(frozen=True, slots=True)
class OwnRequest:
    """A user's last request for a product; one of today (UTC) prevents another."""

    request: ProductRequest
    is_today: bool


def own_requests(
    account: Account, user_id: str, now: datetime
) -> dict[str, OwnRequest]:
    """Return a user's last request for each product, by the product's slug.

    One that was granted or withdrawn is left out from the next day on.
    """
    own = ProductRequest.objects.filter(account=account, user_id=user_id)
    last = own.order_by().values("product").annotate(last=Max("pk")).values("last")
    rows = ProductRequest.objects.filter(
        Q(requested_on=now.date()) | Q(state__in=NEEDED_STATES), pk__in=last
    )
    return {
        row.product_id: OwnRequest(row, is_today=row.requested_on == now.date())
        for row in rows.select_related("product")
    }


def services_hash(enablement: Enablement) -> str:
    """Return a hash of what disabling a product stops: the enablement, and the services with it."""
    services = services_with(enablement.account_id, enablement.product_id)
    ids = sorted(services.order_by().values_list("pk", flat=True))
    return text_hash(" ".join([enablement.pk, *ids]))
