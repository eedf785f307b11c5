"""The eight checks of a deployment: a table, and for each check a pure function of the facts."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from accounts.policy import NON_MEMBER, AnswerCode, Decision, suspension_text
from accounts.roles import Role
from products.compatibility.findings import Finding, blockers
from products.compatibility.version_config import (
    WEBSOCKETS,
    MissingPart,
    VersionConfig,
)
from products.domains.queries import DomainFinding, OwnershipProblem
from products.edge.errors import EdgeError
from products.enablement.queries import ServiceEntitlement
from products.services.describe import missing_sentence
from products.services.kinds import KINDS


class CheckOutcome(StrEnum):
    """The outcome of a check."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_APPLICABLE = "not_applicable"


class FixPage(StrEnum):
    """The page where a reason can be removed."""

    ADD_PART = "add_part"
    DOMAIN = "domain"  # the domain of the version
    DOMAINS = "domains"  # where domains are claimed
    FIELD = "field"
    REFERENCE = "reference"  # the field that names a missing part
    MEMBERS = "members"
    PRODUCTS = "products"
    BUDGET = "budget"
    SERVICE = "service"


class Fix(NamedTuple):
    """One reason why a check failed, how to remove it, and where.

    `name` is the kind of part to add, or the domain. `finding` names the field, `missing` the part
    that the version lacks and the field that names it.
    """

    reason: str
    remedy: str
    page: FixPage | None = None
    name: str = ""
    finding: Finding | None = None
    missing: MissingPart | None = None


@dataclass(frozen=True, slots=True)
class PersonFacts:
    """What the policy says of the actor; `role` is None for a non-member."""

    role: Role | None
    refusals: tuple[Decision, ...]  # of the permission to deploy
    sees_configuration: bool

    def refusal(self, *codes: AnswerCode) -> Decision | None:
        """Return the first refusal with one of these codes."""
        return next((each for each in self.refusals if each.code in codes), None)


@dataclass(frozen=True, slots=True)
class DeployFacts:
    """All that the checks look at, read from the database at one moment.

    `taken_domains` are active in other services. `uncovered_domains` have no verified claim of the
    account. `person` is None if no actor asks, as for the route table. `superusers`, `configurers`
    and `budget_managers` are the names of those who can help; they are read only if a check failed,
    the last only if a budget blocks the product.
    """

    account_name: str
    suspended: bool
    suspension_reason: str
    entitlement: ServiceEntitlement
    config: VersionConfig
    uses_websockets: bool
    findings: tuple[Finding, ...]
    is_active: bool
    taken_domains: tuple[str, ...]
    uncovered_domains: tuple[str, ...] = ()
    domain_findings: tuple[DomainFinding, ...] = ()
    person: PersonFacts | None = None
    superusers: tuple[str, ...] = ()
    configurers: tuple[str, ...] = ()
    budget_managers: tuple[str, ...] = ()


class Answer(NamedTuple):
    """What a check function returns; for a failed check also a fix for each reason, and who can help.

    `public` is the sentence for clients of the service; if it is empty, `reason` is.
    """

    outcome: CheckOutcome
    reason: str
    fixes: tuple[Fix, ...] = ()
    who: tuple[str, ...] = ()
    public: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """One condition of a deployment.

    Checks that need WebSockets do not apply to a version that does not use it. Personal checks
    are about the actor. Checks that show the configuration are hidden from an actor who may not
    see the service.
    """

    code: str
    title: str
    answer: Callable[[DeployFacts], Answer]
    needs_websockets: bool = False
    is_personal: bool = False
    shows_configuration: bool = False


def _passed(reason: str) -> Answer:
    return Answer(CheckOutcome.PASSED, reason)


def _failed(*fixes: Fix, who: tuple[str, ...] = (), public: str = "") -> Answer:
    reason = " ".join(fix.reason for fix in fixes)
    return Answer(CheckOutcome.FAILED, reason, fixes, who, public)


def _not_applicable(reason: str) -> Answer:
    return Answer(CheckOutcome.NOT_APPLICABLE, reason)


HIDDEN = _not_applicable("Hidden: you don't have access to this service.")
NO_WEBSOCKETS = _not_applicable("Does not apply: this version doesn't use WebSockets.")
_NO_PRODUCT = _not_applicable(
    "Does not apply: WebSockets isn't enabled for the account."
)
_NO_MEMBER = _not_applicable("Does not apply: you are not a member of this account.")
_NOTHING_TO_DEPLOY = _not_applicable("This version is active. Nothing to deploy.")

_ACTIVE = _passed("The account is active.")
_ENABLED = _passed("WebSockets is enabled for this account.")
_NOT_BLOCKED = _passed("Nothing blocks WebSockets for this account.")
_ROLES = {
    role: _passed(f"Your role is {role}; it can activate and deactivate versions.")
    for role in Role
}
_COVERED = _passed("Your access covers this service, at the level deploying needs.")
_SWITCHED_ON = _passed("WebSockets is switched on for this service.")
_COMPLETE = _passed(
    "It has a domain, a backend and every part that another names, and its domains are yours "
    "and free."
)
_COMPATIBLE = _passed("Nothing in this version conflicts with WebSockets.")

# Sentences that clients of a service read, too (R12).
ACCOUNT_SUSPENDED = "This account is suspended."
NOT_ENABLED = "WebSockets is not enabled for this account."
BLOCKED = "WebSockets is blocked for this account."
REMEDY_FOR_LIMIT = "A superuser can raise the limit, or enable the product."
REMEDY_FOR_BUDGET = "Superusers and billing users can raise the budget, or accept new connections again, on the Billing page."
NOT_SWITCHED_ON = EdgeError.WEBSOCKETS_OFF.sentence()


def _account_is_active(facts: DeployFacts) -> Answer:
    if not facts.suspended:
        return _ACTIVE
    return _failed(
        Fix(
            suspension_text(facts.account_name, facts.suspension_reason),
            "Contact support to lift the suspension.",
        ),
        who=("Tollgate's staff",),
        public=ACCOUNT_SUSPENDED,
    )


def _product_is_enabled(facts: DeployFacts) -> Answer:
    if facts.entitlement.is_enabled:
        return _ENABLED
    remedy = "A superuser can enable it on the Products page."
    return _failed(Fix(NOT_ENABLED, remedy, FixPage.PRODUCTS), who=facts.superusers)


def _product_is_not_blocked(facts: DeployFacts) -> Answer:
    if not facts.entitlement.is_enabled:
        return _NO_PRODUCT
    if not facts.entitlement.blocked_reason:
        return _NOT_BLOCKED
    fix = Fix(facts.entitlement.blocked_reason, REMEDY_FOR_LIMIT, FixPage.PRODUCTS)
    who = facts.superusers
    if facts.entitlement.is_over_budget:
        fix = fix._replace(remedy=REMEDY_FOR_BUDGET, page=FixPage.BUDGET)
        who = facts.budget_managers
    return _failed(fix, who=who, public=BLOCKED)  # clients need not know why


def _role_allows(facts: DeployFacts) -> Answer:
    person = facts.person
    if person is None or person.role is None:
        return _failed(
            Fix(
                "You are not a member of this account.",
                NON_MEMBER.remedy,
            )
        )
    refused = person.refusal(AnswerCode.ROLE, AnswerCode.TOKEN_SCOPE)
    if refused is None:
        return _ROLES[person.role]
    if refused.code is AnswerCode.TOKEN_SCOPE:
        return _failed(Fix(refused.reason, refused.remedy))
    return _failed(
        Fix(
            refused.reason,
            "Ask a superuser to change your role, or ask someone who can deploy.",
            FixPage.MEMBERS,
        ),
        who=facts.superusers,
    )


def _access_covers(facts: DeployFacts) -> Answer:
    person = facts.person
    if person is None or person.role is None:
        return _NO_MEMBER
    refused = person.refusal(AnswerCode.SERVICE_ACCESS, AnswerCode.TOKEN_SERVICES)
    if refused is None:
        return _COVERED
    if refused.code is AnswerCode.TOKEN_SERVICES:
        return _failed(Fix(refused.reason, refused.remedy))
    return _failed(
        Fix(refused.reason, refused.remedy, FixPage.MEMBERS), who=facts.superusers
    )


def _service_is_switched_on(facts: DeployFacts) -> Answer:
    if facts.entitlement.has(WEBSOCKETS):
        return _SWITCHED_ON
    return _failed(
        Fix(
            "The VCL of this version calls return(upgrade), but WebSockets is off for this service.",
            "Switch WebSockets on for this service, or remove return(upgrade) from the VCL.",
            FixPage.SERVICE,
        ),
        who=facts.configurers,
        public=NOT_SWITCHED_ON,
    )


def _version_is_complete(facts: DeployFacts) -> Answer:
    if facts.is_active:
        return _NOTHING_TO_DEPLOY
    fixes = [
        *_missing_parts(facts.config),
        *map(_missing_reference, facts.config.missing),
        *_domain_fixes(facts),
    ]
    return _failed(*fixes, who=facts.configurers) if fixes else _COMPLETE


def _missing_parts(config: VersionConfig) -> Iterator[Fix]:
    """Return what the version lacks, in Fastly's own words."""
    for kind, rows in (("domain", config.domains), ("backend", config.backends)):
        if not rows:
            yield Fix(
                f"Version has no associated {kind}s.",
                f"Add a {kind}.",
                FixPage.ADD_PART,
                kind,
            )


def _missing_reference(missing: MissingPart) -> Fix:
    kind, part = KINDS[missing.of_kind], KINDS[missing.kind]
    owner = f"{part.in_sentence} {missing.part}"
    label = part.by_name[missing.field].label
    return Fix(
        missing_sentence(missing),
        f"Add the {kind.in_sentence}, or change {label} of {owner}.",
        FixPage.REFERENCE,
        missing=missing,
    )


def _domain_fixes(facts: DeployFacts) -> Iterator[Fix]:
    for name in facts.taken_domains:
        yield Fix(
            f"The domain {name} is active in another service.",
            f"Remove {name} from this version, or remove it from the other service first.",
            FixPage.DOMAIN,
            name,
        )
    for each in facts.domain_findings:
        is_unverified = each.problem is OwnershipProblem.UNVERIFIED
        page = FixPage.DOMAINS if is_unverified else FixPage.DOMAIN
        yield Fix(each.reason, each.remedy, page, each.domain)


def _is_compatible(facts: DeployFacts) -> Answer:
    blocking = blockers(facts.findings)
    if not blocking:
        return _COMPATIBLE
    return _failed(
        *(
            Fix(
                finding.message,
                finding.remedy,
                FixPage.FIELD if finding.backend else FixPage.SERVICE,
                finding=finding,
            )
            for finding in blocking
        ),
        who=facts.configurers,
        public=blocking[0].message,
    )


# In the order of entitlement: account, product, person, service, version.
CHECKS = (
    Check("account_active", "The account is active", _account_is_active),
    Check(
        "product_enabled",  # R2
        "WebSockets is enabled for the account",
        _product_is_enabled,
        needs_websockets=True,
    ),
    Check(
        "not_blocked",  # R16: the command that finds a cap reached notes it on the enablement
        "No usage cap, trial end or budget blocks it",
        _product_is_not_blocked,
        needs_websockets=True,
    ),
    Check("role", "Your role allows it", _role_allows, is_personal=True),  # R20
    Check(
        "service_access",  # R21
        "Your access covers this service",
        _access_covers,
        is_personal=True,
    ),
    Check(
        "service_switch",  # R4
        "WebSockets is on for this service",
        _service_is_switched_on,
        needs_websockets=True,
        shows_configuration=True,
    ),
    Check(
        "version_complete",
        "The version can be activated",
        _version_is_complete,
        shows_configuration=True,
    ),
    Check(
        "compatibility",  # R6–R9: every conflict together
        "No compatibility rule is broken",
        _is_compatible,
        needs_websockets=True,
        shows_configuration=True,
    ),
)
