"""What the admin's page of an account shows, read from every app, with links to the rest."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode

from django.db.models import Exists, F, OuterRef, QuerySet, Subquery, Sum
from django.urls import reverse

from accounts.audit.models import AuditEvent, ChainHead
from accounts.audit.names import names_in
from accounts.audit.queries import VerificationResult, trail_of, verify
from accounts.audit.sentences import sentence_of
from accounts.audit.vocabulary import Event
from accounts.lists import some_of
from accounts.models import Account, ApiToken, Invitation, Membership, OutgoingMail
from accounts.queries import SUPERUSERS_FIRST, Grant, grants_in, second_factors_of
from accounts.security_policy import SecurityPolicy, session_limits
from products.billing.models import Budget, Invoice, UninvoicedMonth
from products.billing.queries.completeness import obstacle
from products.billing.queries.credits import balance
from products.billing.queries.invoices import open_invoice, subtotal_in_words
from products.billing.queries.terms import contract_of, currency_of, month_at
from products.calendars import calendar_of
from products.catalogue.models import Plan, PriceVersion, Product
from products.catalogue.money import Money
from products.domains.models import DomainClaim
from products.enablement.models import ProductRequest
from products.enablement.queries import (
    ProductState,
    products_of,
    products_on_by_service,
)
from products.metering.models import UsageDispute, UsagePeriod
from products.months import Month
from products.services.models import Service, Version
from products.webhooks.models import Webhook
from products.webhooks.queries import state_of

# Rows of each table on the page; the list that a link leads to has the rest.
ROWS: Final = 10
NAMED_SERVICES: Final = 3  # of a member with access to chosen services
# Up to this many entries the page verifies the chain, in less than 100 ms.
MAX_VERIFIED_ENTRIES: Final = 2_000


VIEWS: Final = (Event.ACCOUNT_READ, Event.AUDIT_READ)


@dataclass(frozen=True, slots=True)
class TableRows:
    """The first rows of a table, how many there are in all, and where the rest is."""

    shown: tuple[Any, ...]
    total: int
    url: str

    @property
    def more(self) -> int:
        """Return how many rows are not shown."""
        return self.total - len(self.shown)


@dataclass(frozen=True, slots=True)
class ServiceRow:
    """A service with its active version and the products that it has switched on."""

    service: Service
    products: str


@dataclass(frozen=True, slots=True)
class WebhookRow:
    """A webhook with the name of its state."""

    webhook: Webhook
    state: str


@dataclass(frozen=True, slots=True)
class MemberRow:
    """A member, with the services and the second factor in words."""

    member: Membership
    access: str
    second_factor: str


@dataclass(frozen=True, slots=True)
class AccountUsage:
    """What the account used in the running month, and what it costs so far."""

    month: Month
    minutes: int
    connections: int
    bytes_in: int
    bytes_out: int
    cost: str  # in words; "" if nothing is billed yet

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing was used."""
        return not (self.connections or self.bytes_in or self.bytes_out)


@dataclass(frozen=True, slots=True)
class BillingFacts:
    """Contract, credit and budget of an account."""

    contract: Any
    zone: str
    credit: Money
    budget: Budget | None


def page_facts(account: Account, now: datetime) -> dict[str, Any]:
    """Return the template variables of an account's page; a constant number of queries."""
    month = month_at(account, now)
    contract = contract_of(account.pk, month)
    head = ChainHead.objects.filter(pk=account.pk).first()
    states = products_of(account, now)
    return {
        "policy": SecurityPolicy.of(account),
        "limits": session_limits([account], strict=False),
        "products": [each for each in states if _is_known(each)],
        "never_enabled": [each.product.name for each in states if not _is_known(each)],
        "own_plans": list(_own_plans(account)),
        "requests": _rows(
            ProductRequest.objects.filter(account=account)
            .select_related("product")
            .order_by("-requested_at"),
            "enablement_productrequest",
            account,
        ),
        "members": _members(account),
        "invitations": _rows(
            Invitation.objects.filter(
                account=account, accepted_at=None, revoked_at=None
            ).order_by("-created_at"),
            "accounts_invitation",
            account,
        ),
        "tokens": _rows(
            ApiToken.objects.filter(account=account, revoked_at=None)
            .select_related("user")
            .order_by("-created_at", "pk"),
            "accounts_apitoken",
            account,
        ),
        "services": _services(account),
        "domains": _rows(
            DomainClaim.objects.filter(account=account).order_by("name"),
            "domains_domainclaim",
            account,
        ),
        "webhooks": _webhooks(account),
        "usage": _usage(account, month),
        "uninvoiced": [
            (row, obstacle(account, Month.read(row.month), now))
            for row in UninvoicedMonth.objects.filter(account=account).order_by("month")
        ],
        "invoices": _rows(
            Invoice.objects.filter(account=account).order_by("-month", "-pk"),
            "billing_invoice",
            account,
        ),
        "billing": BillingFacts(
            contract=contract,
            zone=calendar_of(account).zone_in(month),
            credit=balance(account.pk, currency_of(account, month)),
            budget=Budget.objects.filter(account=account).first(),
        ),
        "open_disputes": UsageDispute.objects.filter(
            account_id=account.pk, resolved_at=None
        ).count(),
        "entries": _entries(account),
        "chain": head,
        "verification": _verification(head),
        "mails": _rows(
            OutgoingMail.objects.filter(account=account)
            .select_related("invitation")
            .order_by("-created_at"),
            "accounts_outgoingmail",
            account,
        ),
    }


def _is_known(state: ProductState) -> bool:
    """Tell whether the account has or had a product, or can buy it."""
    return bool(state.is_on or state.last or state.price)


def _rows(rows: "QuerySet[Any]", name: str, account: Account) -> TableRows:
    url = f"{reverse(f'admin:{name}_changelist')}?{urlencode({'account': account.pk})}"
    return TableRows(tuple(rows[:ROWS]), rows.count(), url)


def _members(account: Account) -> TableRows:
    members = (
        Membership.objects.filter(account=account)
        .select_related("user")
        .order_by(SUPERUSERS_FIRST, "user__name", "pk")
    )
    rows = _rows(members, "accounts_membership", account)
    ids = [member.user_id for member in rows.shown]
    grants = grants_in(account.pk)
    factors = second_factors_of(ids)
    shown = tuple(
        MemberRow(
            member,
            access=_access(member, grants.get(member.user_id, ())),
            second_factor=factors.get(member.user_id, "none"),
        )
        for member in rows.shown
    )
    return TableRows(shown, rows.total, rows.url)


def _access(member: Membership, grants: Sequence[Grant]) -> str:
    if not member.is_limited:
        return "All services"
    names = [
        f"{grant.service.name} ({grant.level.replace('_', ' ')})" for grant in grants
    ]
    return ", ".join(some_of(names, NAMED_SERVICES)) or "No service"


def _services(account: Account) -> TableRows:
    active = Version.objects.filter(service=OuterRef("pk"), active=True)
    services = (
        Service.objects.filter(account=account, deleted_at=None)
        .annotate(
            active_number=Subquery(active.values("number")),
            active_pk=Subquery(active.values("pk")),
        )
        .order_by("name", "pk")
    )
    rows = _rows(services, "services_service", account)
    on = products_on_by_service([service.pk for service in rows.shown])
    names = dict(Product.objects.values_list("pk", "name"))
    shown = tuple(
        ServiceRow(
            service, ", ".join(sorted(names[slug] for slug in on.get(service.pk, ())))
        )
        for service in rows.shown
    )
    return TableRows(shown, rows.total, rows.url)


def _webhooks(account: Account) -> TableRows:
    """Return the webhooks, first the paused and the failing ones."""
    webhooks = Webhook.objects.filter(account=account).order_by(
        F("paused_at").desc(nulls_last=True),
        F("failing_since").desc(nulls_last=True),
        "url",
    )
    rows = _rows(webhooks, "webhooks_webhook", account)
    shown = tuple(WebhookRow(webhook, state_of(webhook)) for webhook in rows.shown)
    return TableRows(shown, rows.total, rows.url)


def _usage(account: Account, month: Month) -> AccountUsage:
    totals = UsagePeriod.objects.filter(
        account_id=account.pk, month=str(month)
    ).aggregate(
        minutes=Sum("minutes"),
        connections=Sum("connections"),
        bytes_in=Sum("bytes_from_client") + Sum("delivery_bytes_from_client"),
        bytes_out=Sum("bytes_to_client") + Sum("delivery_bytes_to_client"),
    )
    invoice = open_invoice(account.pk, month)
    return AccountUsage(
        month=month,
        cost=subtotal_in_words(invoice) if invoice else "",
        **{name: value or 0 for name, value in totals.items()},
    )


def _own_plans(account: Account) -> "QuerySet[Plan]":
    prices = PriceVersion.objects.filter(plan=OuterRef("pk"), withdrawn_at=None)
    rows = Plan.objects.filter(account=account, retired_at=None)
    return rows.select_related("product").annotate(has_price=Exists(prices))


def _entries(account: Account) -> list[AuditEvent]:
    """Return the newest entries with their sentences, but not that staff viewed something.

    Those are noted each time that a page is opened, and would be all that is shown.
    """
    events = list(trail_of(account.pk).exclude(action__in=VIEWS)[:ROWS])
    names = names_in(events)
    for event in events:
        event.sentence = str(sentence_of(event, names))
    return events


def _verification(head: ChainHead | None) -> VerificationResult | None:
    """Verify the chain if that is quick; None if the page of the chain has to do it."""
    if head is None or head.sequence > MAX_VERIFIED_ENTRIES:
        return None
    return verify(head.account_id)
