"""Who is notified about which event: one table, read by the page, the emails and the result pages.

Recipients are roles, resolved when a notice is made. The actor is not notified, except about their
own login. A test lists the events about which no one is notified.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from django.db.models import Q, QuerySet

from accounts.actor import ActorType
from accounts.audit.models import (
    PLATFORM,
    RECORDED_REFUSALS,
    AuditEvent,
    PersonalData,
)
from accounts.audit.queries import personal_data_of
from accounts.audit.vocabulary import Event
from accounts.authentication import memberships_by_name
from accounts.models import (
    Account,
    ApiToken,
    Membership,
    NoticeDefault,
    NoticePreference,
    User,
)
from accounts.policy import members_with
from accounts.roles import Permission, Role
from accounts.security_policy import has_factor
from accounts.user_agents import browser_of

# A service whose deployments were refused several times within so long is notified about, once.
REPEATED_WITHIN: Final = timedelta(days=1)
SIGN_INS_COMPARED: Final = 50


class Topic(StrEnum):
    """What a notice is about; people choose by topic what they get by email."""

    label: str
    is_security: bool

    def __new__(
        cls,
        value: str,
        label: str = "",
        is_security: bool = False,  # noqa: FBT001, FBT002 - a column of the table below
    ) -> "Topic":
        """Create a member that equals its name and has the other columns as attributes."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.label = label
        member.is_security = is_security
        return member

    LOGIN = "login", "Your login: new devices, passwords, second factors", True
    ACCESS = "access", "Your role and your access", True
    SECURITY = "security", "The security policy of the account", True
    SUSPENSION = "suspension", "Suspension of the account", True
    PRODUCTS = "products", "Products enabled and disabled"
    PRICES = "prices", "Price changes, ahead of their date"
    TRIALS = "trials", "Trials that end soon, and their end"
    REQUESTS = "requests", "Requests for products, and their answers"
    MEMBERS = "members", "People who join the account"
    DEPLOYMENTS = "deployments", "Deployments that are refused repeatedly"
    DOMAINS = "domains", "Domain claims that end or move"
    TOKENS = "tokens", "API tokens that expire soon"
    WEBHOOKS = "webhooks", "Webhooks that are paused"
    EDGES = "edges", "Edges that stop reporting, and report again"
    BUDGET = "budget", "The budget, and what it blocks"
    BILLS = "bills", "Invoices, credits and credit notes"


class Audience(StrEnum):
    """Whom an event concerns."""

    PERSON = "person"  # the target of the entry
    REQUESTER = "requester"  # of the product
    OWNER = "owner"  # of the API token; superusers for one of the account
    SUPERUSERS = "superusers"
    COSTS = "costs"  # who can see costs: superusers and billing
    MEMBERS = "members"
    WITHOUT_FACTOR = "without_factor"  # members without a second factor, and superusers
    DEPLOYERS = "deployers"  # who can deploy the service
    ENGINEERS = "engineers"  # who can deploy any service: engineers and superusers
    STAFF = "staff"  # of entries of the platform's trail; no other audience reads that
    SALES = "sales"  # an address outside the account


PERMISSIONS: Final = {
    Audience.SUPERUSERS: Permission.MEMBER_MANAGE,
    Audience.MEMBERS: Permission.ACCOUNT_READ,
    Audience.COSTS: Permission.BILLING_READ,
    Audience.ENGINEERS: Permission.SERVICE_DEPLOY,
}


@dataclass(frozen=True, slots=True)
class NoticeRule:
    """Who is notified about an event, and where it can be looked at.

    `page` is the name of a URL: of the one thing that it is about, if it has a page. With `details`
    the notice lists the changed fields. `advice` says what to do. An email is left out if the
    sign-in library has sent one at that moment.
    """

    topic: Topic
    audience: Audience
    page: str
    details: bool = False
    advice: str = ""
    by_email: bool = True
    applies: Callable[[AuditEvent], bool] = lambda _: True


def _is_repeated(entry: AuditEvent) -> bool:
    """Return whether this is the third refused deployment of a service within a day."""
    earlier = AuditEvent.objects.filter(
        account_id=entry.account_id,
        service_id=entry.service_id,
        action=Event.DEPLOYMENT_REFUSED,
        sequence__lte=entry.sequence,
        at__gt=entry.at - REPEATED_WITHIN,
    )
    return earlier.count() == RECORDED_REFUSALS


def _is_new_device(entry: AuditEvent) -> bool:
    """Return whether a user signed in with a browser and system that they have not used before."""
    earlier = AuditEvent.objects.filter(
        account_id=entry.account_id,
        actor_id=entry.actor_id,
        action=Event.USER_LOGGED_IN,
        sequence__lt=entry.sequence,
    )
    newest = earlier.order_by("-sequence").values_list("sequence", flat=True)
    used = PersonalData.objects.filter(
        account_id=entry.account_id,
        sequence__in=list(newest[:SIGN_INS_COMPARED]),
        kind=PersonalData.Kind.USER_AGENT,
    )
    known = {browser_of(program) for program in used.values_list("value", flat=True)}
    this = browser_of(personal_data_of(entry).get(PersonalData.Kind.USER_AGENT))
    return bool(known) and this not in known and is_first_chain(entry)


def is_first_chain(entry: AuditEvent) -> bool:
    """Return whether an entry about a login is in the first of the user's chains, which all have it."""
    accounts = sorted(row.account_id for row in memberships_by_name(entry.target_id))
    return accounts[:1] == [entry.account_id]


def _is_highest(entry: AuditEvent) -> bool:
    """Return whether a threshold is the last of those that were reached together."""
    later = AuditEvent.objects.filter(
        account_id=entry.account_id,
        action=Event.BUDGET_REACHED,
        at=entry.at,
        sequence__gt=entry.sequence,
    )
    return not later.exists()


def _is_enabled(entry: AuditEvent) -> bool:
    """Return whether a product was enabled when its block began or ended; else it changed nothing."""
    return (entry.body.get("after") or {}).get("state") != "disabled"


def _refuses_connections(entry: AuditEvent) -> bool:
    """Return whether a block refuses connections that were accepted.

    The end of a trial does, but it has its own notice.
    """
    is_trial = (entry.body.get("after") or {}).get("blocked_by") == "trial"
    return _is_enabled(entry) and not is_trial


def _is_on_trial(entry: AuditEvent) -> bool:
    return (entry.body.get("after") or {}).get("source") == "trial"


def _is_billed(entry: AuditEvent) -> bool:
    return not _is_on_trial(entry)


def _treats_connections(mode: str) -> Callable[[AuditEvent], bool]:
    """Return whether a product was disabled with a mode for its open connections."""
    return lambda entry: (entry.body.get("after") or {}).get("drain_mode", "") == mode


def _is_given_by_another(entry: AuditEvent) -> bool:
    """Return whether access was given, and not got by creating the service."""
    return "level" not in (entry.body.get("after") or {})


def _is_asked_of_sales(entry: AuditEvent) -> bool:
    return (entry.body.get("after") or {}).get("asked") == Audience.SALES


def _is_asked_of_superusers(entry: AuditEvent) -> bool:
    return not _is_asked_of_sales(entry)


def _is_required(entry: AuditEvent) -> bool:
    return (entry.body.get("after") or {}).get("second_factor") == "required"


def _is_optional(entry: AuditEvent) -> bool:
    return not _is_required(entry)


_LOGIN = (
    NoticeRule(
        Topic.LOGIN,
        Audience.PERSON,
        "account_change_password",
        by_email=False,
        applies=is_first_chain,
    ),
)
_ACCESS = (NoticeRule(Topic.ACCESS, Audience.PERSON, "home"),)
_EXPIRY_ADVICE: Final = "From then on, calls with it are refused. If a program needs it, create a new token and replace it there."
_FACTOR_ADVICE: Final = "Members without a passkey or an authenticator app must add one before they can go on. Until then, calls with their API tokens are refused."
_OUTAGE_ADVICE: Final = "Connections that it carried may be closed. Their usage arrives when it reports again."
_OUTAGE = (
    NoticeRule(Topic.EDGES, Audience.ENGINEERS, "services", advice=_OUTAGE_ADVICE),
    NoticeRule(Topic.EDGES, Audience.STAFF, "admin:metering_edge_changelist"),
)
_OUTAGE_ENDED = (
    NoticeRule(Topic.EDGES, Audience.ENGINEERS, "services"),
    NoticeRule(Topic.EDGES, Audience.STAFF, "admin:metering_edge_changelist"),
)
# By the mode for open connections; an entry of an older version has none.
_DISABLED_ADVICE: Final = {
    "": "",
    "cut": "New connections that use it are refused, and open ones are closed.",
    "drain": "New connections that use it are refused. Open ones are closed soon after.",
    "keep": "New connections that use it are refused. Open ones continue, and are billed until they close.",
}
_BILL_ADVICE: Final = "It changes the monthly bill. The page Products has its price."
_VOID_ADVICE: Final = "It is not to be paid. Credits that it used are returned. If an invoice replaces it, both name each other."
_BILLS = (NoticeRule(Topic.BILLS, Audience.COSTS, "billing"),)
_INVOICE = (NoticeRule(Topic.BILLS, Audience.COSTS, "invoice"),)
_DISABLED = tuple(
    NoticeRule(
        Topic.PRODUCTS,
        Audience.COSTS,
        "products",
        advice=words,
        applies=_treats_connections(mode),
    )
    for mode, words in _DISABLED_ADVICE.items()
)
_REQUEST_ANSWERED = (NoticeRule(Topic.REQUESTS, Audience.REQUESTER, "product_request"),)
_CLAIM_ENDED = (NoticeRule(Topic.DOMAINS, Audience.SUPERUSERS, "domain", details=True),)

# One event per line, as in a table.
# fmt: off
NOTICES: Final[dict[Event, tuple[NoticeRule, ...]]] = {
    Event.ACCOUNT_SUSPENDED: (NoticeRule(Topic.SUSPENSION, Audience.COSTS, "home"),),
    Event.ACCOUNT_RESUMED: (NoticeRule(Topic.SUSPENSION, Audience.COSTS, "home"),),
    Event.ACCOUNT_SECOND_FACTOR_CHANGED: (
        NoticeRule(Topic.SECURITY, Audience.WITHOUT_FACTOR, "mfa_index", advice=_FACTOR_ADVICE, applies=_is_required),
        NoticeRule(Topic.SECURITY, Audience.SUPERUSERS, "account_settings", applies=_is_optional),
    ),
    Event.ACCOUNT_SESSION_LIMITS_CHANGED: (NoticeRule(Topic.SECURITY, Audience.MEMBERS, "account_settings"),),
    Event.USER_DISABLED: _ACCESS,
    Event.USER_ENABLED: _ACCESS,
    Event.MEMBER_JOINED: (NoticeRule(Topic.MEMBERS, Audience.SUPERUSERS, "members"),),
    Event.MEMBER_ROLE_CHANGED: _ACCESS,
    Event.MEMBER_REMOVED: _ACCESS,
    Event.MEMBER_DISABLED: _ACCESS,
    Event.MEMBER_ENABLED: _ACCESS,
    Event.MEMBER_ACCESS_LIMITED: (NoticeRule(Topic.ACCESS, Audience.PERSON, "services", details=True),),
    Event.MEMBER_ACCESS_UNLIMITED: (NoticeRule(Topic.ACCESS, Audience.PERSON, "services"),),
    Event.SERVICE_ACCESS_GRANTED: (NoticeRule(Topic.ACCESS, Audience.PERSON, "service", applies=_is_given_by_another),),
    Event.SERVICE_ACCESS_CHANGED: (NoticeRule(Topic.ACCESS, Audience.PERSON, "service"),),
    Event.SERVICE_ACCESS_REVOKED: (NoticeRule(Topic.ACCESS, Audience.PERSON, "services"),),
    Event.USER_LOGGED_IN: (NoticeRule(Topic.LOGIN, Audience.PERSON, "usersessions_list", applies=_is_new_device),),
    Event.TOKEN_EXPIRING: (NoticeRule(Topic.TOKENS, Audience.OWNER, "tokens", advice=_EXPIRY_ADVICE),),
    Event.PASSWORD_CHANGED: _LOGIN,
    Event.PASSWORD_RESET: _LOGIN,
    Event.SECOND_FACTOR_ENABLED: _LOGIN,
    Event.SECOND_FACTOR_DISABLED: _LOGIN,
    Event.RECOVERY_CODES_GENERATED: _LOGIN,
    Event.EMAIL_CHANGED: _LOGIN,
    Event.PRODUCT_ENABLED: (
        NoticeRule(Topic.PRODUCTS, Audience.COSTS, "products", advice=_BILL_ADVICE, applies=_is_billed),
        NoticeRule(Topic.PRODUCTS, Audience.COSTS, "products", applies=_is_on_trial),
    ),
    Event.PRODUCT_DISABLED: _DISABLED,
    Event.PRODUCT_REQUESTED: (
        NoticeRule(Topic.REQUESTS, Audience.SUPERUSERS, "product_request", applies=_is_asked_of_superusers),
        NoticeRule(Topic.REQUESTS, Audience.SALES, "admin:enablement_productrequest_changelist", applies=_is_asked_of_sales),
    ),
    Event.PRODUCT_REQUEST_GRANTED: _REQUEST_ANSWERED,
    Event.PRODUCT_REQUEST_ANSWERED: _REQUEST_ANSWERED,
    Event.PRODUCT_REQUEST_DECLINED: _REQUEST_ANSWERED,
    Event.PRODUCT_BLOCKED: (NoticeRule(Topic.BUDGET, Audience.COSTS, "billing", applies=_refuses_connections),),
    Event.PRODUCT_UNBLOCKED: (NoticeRule(Topic.BUDGET, Audience.COSTS, "billing", applies=_is_enabled),),
    Event.TRIAL_ENDING: (NoticeRule(Topic.TRIALS, Audience.COSTS, "products"),),
    Event.TRIAL_ENDED: (NoticeRule(Topic.TRIALS, Audience.COSTS, "products"),),
    Event.PRICE_PUBLISHED: (NoticeRule(Topic.PRICES, Audience.COSTS, "products", details=True),),
    Event.PRICE_CLOSED: (NoticeRule(Topic.PRICES, Audience.COSTS, "products", details=True),),
    Event.DEPLOYMENT_REFUSED: (NoticeRule(Topic.DEPLOYMENTS, Audience.DEPLOYERS, "service", applies=_is_repeated),),
    Event.DOMAIN_CLAIM_LOST: _CLAIM_ENDED,
    Event.DOMAIN_CLAIM_MOVED: _CLAIM_ENDED,
    Event.EDGE_OUTAGE_FOUND: _OUTAGE,
    Event.EDGE_OUTAGE_ENDED: _OUTAGE_ENDED,
    Event.WEBHOOK_PAUSED: (NoticeRule(Topic.WEBHOOKS, Audience.SUPERUSERS, "webhook"),),
    Event.BUDGET_CHANGED: (NoticeRule(Topic.BUDGET, Audience.COSTS, "billing"),),
    Event.BUDGET_REMOVED: (NoticeRule(Topic.BUDGET, Audience.COSTS, "billing"),),
    Event.BUDGET_REACHED: (NoticeRule(Topic.BUDGET, Audience.COSTS, "billing", applies=_is_highest),),
    Event.CONTRACT_ASSIGNED: _BILLS,
    Event.INVOICE_FINALIZED: _INVOICE,
    Event.INVOICE_VOIDED: (NoticeRule(Topic.BILLS, Audience.COSTS, "invoice", advice=_VOID_ADVICE),),
    Event.ADJUSTMENT_MADE: _INVOICE,
    Event.CREDIT_NOTE_ISSUED: _INVOICE,
    Event.CREDIT_GRANTED: _BILLS,
    Event.CREDIT_EXPIRED: _BILLS,
    Event.USAGE_VOIDED: _BILLS,
}
# fmt: on


def rules_of(event: str, chain: str = "") -> tuple[NoticeRule, ...]:
    """Return the rules of an event; none for a silent one, or one of a newer version of the code.

    Those for staff are for the platform's chain, and no others are.
    """
    rules: tuple[NoticeRule, ...] = NOTICES.get(event, ())  # type: ignore[call-overload]
    return tuple(
        each
        for each in rules
        if (each.audience is Audience.STAFF) == (chain == PLATFORM)
    )


def recipients_of(entry: AuditEvent, rule: NoticeRule) -> list[User]:
    """Return the people whom an entry is sent to under a rule, by name; none if it does not apply.

    Sales are no person, so there are none for them.
    """
    if not rule.applies(entry):
        return []
    people = _people(entry, rule.audience)
    # Who joined, for example, knows it.
    own = {_actor_id(entry)}
    if rule.audience is Audience.SUPERUSERS:
        own.add(entry.target_id)
    return [each for each in people if each.pk not in own or _is_own(entry, rule)]


def notified_by(entries: Iterable[AuditEvent]) -> list[str]:
    """Return the names of those who are notified about some entries, each once, in order."""
    people = {
        person.pk: str(person)
        for entry in entries
        for rule in rules_of(entry.action)
        for person in recipients_of(entry, rule)
    }
    return sorted(people.values())


@dataclass(frozen=True, slots=True)
class TopicChoice:
    """What decides whether a person gets the notices of a topic, of one account, by email."""

    topic: Topic
    own: bool | None  # None: the person has not chosen
    default: bool  # of the account

    @property
    def by_email(self) -> bool:
        """Return whether they do: security always, else their own choice, else the account's default."""
        if self.topic.is_security:
            return True
        return self.default if self.own is None else self.own


def topics_of(user: User | None, account: Account | None) -> list[TopicChoice]:
    """Return every topic with a person's choice and the default of an account.

    Without a person it is for members who have not chosen; without an account the default is on.
    """
    own = _by_topic(NoticePreference.objects.filter(user=user))
    defaults = _by_topic(NoticeDefault.objects.filter(account=account))
    return [
        TopicChoice(each, own.get(each), defaults.get(each, True)) for each in Topic
    ]


def emailed(
    people: Collection[User], topic: Topic, account: Account | None
) -> set[str]:
    """Return the ids of those who get the notices of a topic, of an account, by email: two queries."""
    rows = NoticePreference.objects.filter(user__in=people, topic=topic)
    own = dict(rows.values_list("user_id", "by_email"))
    defaults = _by_topic(NoticeDefault.objects.filter(account=account, topic=topic))
    default = defaults.get(topic, True)
    return {
        each.pk
        for each in people
        if TopicChoice(topic, own.get(each.pk), default).by_email
    }


def _by_topic(
    rows: "QuerySet[NoticePreference] | QuerySet[NoticeDefault]",
) -> dict[str, bool]:
    return dict(rows.values_list("topic", "by_email"))


def _actor_id(entry: AuditEvent) -> str:
    if entry.actor_type == ActorType.USER:
        return entry.actor_id
    return str(entry.body.get("on_behalf_of") or "")


def _is_own(entry: AuditEvent, rule: NoticeRule) -> bool:
    return rule.topic is Topic.LOGIN and entry.target_id == _actor_id(entry)


def _people(entry: AuditEvent, audience: Audience) -> list[User]:
    match audience:
        case Audience.PERSON:
            return list(User.objects.filter(pk=entry.target_id))
        case Audience.REQUESTER:
            requester = (entry.body.get("after") or {}).get("requester", "")
            members = Membership.objects.filter(
                account_id=entry.account_id, user_id=requester
            )
            return list(User.objects.filter(pk__in=members.values("user_id")))
        case Audience.OWNER:
            rows = _owners(entry)
        case Audience.DEPLOYERS:
            rows = members_with(
                Permission.SERVICE_DEPLOY, entry.account_id, entry.service_id
            )
        case Audience.STAFF:
            return list(User.objects.filter(is_staff=True, is_active=True))
        case Audience.WITHOUT_FACTOR:
            rows = members_with(Permission.ACCOUNT_READ, entry.account_id).filter(
                Q(role=Role.SUPERUSER) | ~Q(has_factor())
            )
        case (
            Audience.SUPERUSERS | Audience.MEMBERS | Audience.COSTS | Audience.ENGINEERS
        ):
            rows = members_with(PERMISSIONS[audience], entry.account_id)
        case _:  # sales
            rows = Membership.objects.none()
    return [row.user for row in rows]


def _owners(entry: AuditEvent) -> "QuerySet[Membership]":
    """Return the members whom an API token belongs to; superusers for one of the account."""
    token = ApiToken.objects.filter(pk=entry.target_id).first()
    if token is None:
        return Membership.objects.none()
    if token.is_automation:
        return members_with(Permission.TOKEN_MANAGE, entry.account_id)
    owners = members_with(Permission.TOKEN_OWN, entry.account_id)
    return owners.filter(user_id=token.user_id)
