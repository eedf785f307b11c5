"""May this version be activated? One decision, with every reason.

The deploy command, `validate`, pages, the API, the editor's findings and the edges' route table
all ask `evaluate`. The facts are read in a fixed number of queries; evaluating them is pure.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from accounts import policy
from accounts.actor import Actor
from accounts.roles import Permission
from products.compatibility.findings import Finding, Severity
from products.compatibility.rules import all_findings
from products.compatibility.version_config import (
    WEBSOCKETS,
    OriginCertificate,
    VersionConfig,
    uses_websockets,
)
from products.deploy import probes
from products.deploy.checks import (
    CHECKS,
    HIDDEN,
    NO_WEBSOCKETS,
    Answer,
    Check,
    CheckOutcome,
    DeployFacts,
    Fix,
    PersonFacts,
)
from products.domains.queries import DomainFinding, Ownership, read_ownership
from products.enablement.queries import ServiceEntitlement, entitlements_of
from products.services.describe import version_configs
from products.services.models import Version

_PERSONAL: Final = frozenset(check.code for check in CHECKS if check.is_personal)


class CheckResult(NamedTuple):
    """The result of one check; if it failed, also a fix for each reason, and who can help.

    `public` is the sentence that clients of the service read. A tuple, since eight are built for
    each decision.
    """

    code: str
    title: str
    outcome: CheckOutcome
    reason: str
    fixes: tuple[Fix, ...]
    who: tuple[str, ...]
    public: str

    @property
    def is_personal(self) -> bool:
        """Return whether the check is about the actor and not about the state of things."""
        return self.code in _PERSONAL

    @property
    def remedy(self) -> str:
        """Return all remedies as one text."""
        return " ".join(dict.fromkeys(fix.remedy for fix in self.fixes if fix.remedy))

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Return the findings of the rules that are among the reasons."""
        return tuple(fix.finding for fix in self.fixes if fix.finding is not None)


@dataclass(frozen=True, slots=True)
class DeployDecision:
    """The results of all checks; allowed only if none failed.

    `is_personal` says that a failed check is about the actor and not about the state of things.
    """

    allowed: bool
    uses_websockets: bool
    checks: tuple[CheckResult, ...]
    findings: tuple[Finding, ...]
    domain_findings: tuple[DomainFinding, ...] = ()
    is_active: bool = False
    is_personal: bool = False
    is_non_member: bool = False
    sees_configuration: bool = True

    @property
    def failed(self) -> tuple[CheckResult, ...]:
        """Return the checks that failed."""
        return tuple(
            each for each in self.checks if each.outcome is CheckOutcome.FAILED
        )

    @property
    def reasons(self) -> tuple[str, ...]:
        """Return one text for each failed check."""
        return tuple(each.reason for each in self.failed)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """Return the findings that do not prevent a deployment."""
        return tuple(
            each for each in self.findings if each.severity is not Severity.BLOCKS
        )


def evaluate(facts: DeployFacts) -> DeployDecision:
    """Run all checks on facts already read; pure. Personal checks are left out without a person."""
    person = facts.person
    hidden = person is not None and not person.sees_configuration
    failed = is_personal = False
    results = []
    for check in CHECKS:
        if check.is_personal and person is None:
            continue
        answer = _answer(check, facts, hidden=hidden)
        if answer.outcome is CheckOutcome.FAILED:
            failed = True
            is_personal = is_personal or check.is_personal
        results.append(CheckResult(check.code, check.title, *answer))
    return DeployDecision(
        allowed=not failed,
        uses_websockets=facts.uses_websockets,
        checks=tuple(results),
        findings=() if hidden else facts.findings,
        domain_findings=() if hidden else facts.domain_findings,
        is_active=facts.is_active,
        is_personal=is_personal,
        is_non_member=person is not None and person.role is None,
        sees_configuration=not hidden,
    )


def _answer(check: Check, facts: DeployFacts, *, hidden: bool) -> Answer:
    if hidden and check.shows_configuration:
        return HIDDEN
    if check.needs_websockets and not facts.uses_websockets:
        return NO_WEBSOCKETS
    return check.answer(facts)


def decide_deployment(
    actor: Actor, *, version: Version, certificates: Iterable[OriginCertificate] = ()
) -> DeployDecision:
    """Decide whether this actor may activate this version now, with all checks; default deny.

    What a probe of the origin found is passed in. Who can help is read, in two or three more
    queries, only if a check failed.
    """
    facts = facts_of(actor, version=version, certificates=certificates)
    decision = evaluate(facts)
    if decision.allowed:
        return decision
    account_id = version.service.account_id
    return evaluate(
        replace(
            facts,
            superusers=_names(Permission.MEMBER_MANAGE, account_id),
            configurers=_names(
                Permission.SERVICE_CONFIGURE, account_id, version.service_id
            ),
            budget_managers=_names(Permission.BUDGET_MANAGE, account_id)
            if facts.entitlement.is_over_budget
            else (),
        )
    )


def decision_with_probe(actor: Actor, *, version: Version) -> DeployDecision:
    """Decide after probing the origin (R9). Not inside a transaction; see `probe_origin_of`."""
    certificates = probe_origin_of(actor, version=version)
    return decide_deployment(actor, version=version, certificates=certificates)


def probe_origin_of(
    actor: Actor, *, version: Version, if_allowed: bool = False
) -> tuple[OriginCertificate, ...]:
    """Return what the origin's certificate looks like, if the version uses WebSockets.

    Takes up to three seconds if the origin is slow and was not probed within the last minute.
    Nothing is probed for an actor who may not see the configuration. With `if_allowed`, a
    deployment that is refused in any case connects to no origin and uses up no probe of the
    account: then what a probe within the last minute found counts.
    """
    facts = facts_of(actor, version=version)
    decision = evaluate(facts)
    if not decision.sees_configuration or not facts.uses_websockets:
        return ()
    if if_allowed and not decision.allowed:
        return probes.cached_certificates(facts.config)
    return probes.probe_certificates(facts.config, version.service.account_id)


def decision_without_person(
    version: Version, *, config: VersionConfig | None = None
) -> DeployDecision:
    """Decide about a version, or about what it would be; connects to no origin.

    Of certificates it knows what a probe within the last minute found.
    """
    configs = {version.pk: config} if config else None
    facts = read_facts([version], configs=configs)[version.pk]
    return evaluate(_with_certificates(facts, probes.cached_certificates(facts.config)))


def facts_of(
    actor: Actor, *, version: Version, certificates: Iterable[OriginCertificate] = ()
) -> DeployFacts:
    """Read what the checks look at: four queries."""
    facts = read_facts([version])[version.pk]
    return replace(
        _with_certificates(facts, certificates), person=_person(actor, version)
    )


def read_facts(
    versions: Sequence[Version], *, configs: Mapping[int, VersionConfig] | None = None
) -> dict[int, DeployFacts]:
    """Read the facts of versions by their ids, without a person: three queries for any number.

    The versions come with their service and account. Pass `configs` for what they would hold.
    """
    held = configs or version_configs(versions)
    entitlements = entitlements_of(
        [version.service_id for version in versions], WEBSOCKETS
    )
    ownership = _read_ownership(versions, held)
    return {
        version.pk: _facts(
            version, held[version.pk], entitlements[version.service_id], ownership
        )
        for version in versions
    }


def _facts(
    version: Version,
    config: VersionConfig,
    entitlement: ServiceEntitlement,
    ownership: Ownership,
) -> DeployFacts:
    account = version.service.account
    names = sorted(domain.name for domain in config.domains)
    taken = ownership.services
    return DeployFacts(
        account_name=account.name,
        suspended=account.suspended_at is not None,
        suspension_reason=account.suspension_reason,
        entitlement=entitlement,
        config=config,
        uses_websockets=uses_websockets(config, entitlement.products),
        findings=all_findings(config, entitlement.products),
        is_active=version.active,
        taken_domains=tuple(
            name
            for name in names
            if taken.get(name, version.service_id) != version.service_id
        ),
        uncovered_domains=ownership.uncovered(names, account.pk),
        domain_findings=() if version.active else ownership.findings(names, account.pk),
    )


def _read_ownership(
    versions: Sequence[Version], configs: Mapping[int, VersionConfig]
) -> Ownership:
    """Read who owns the domains: of active versions only the account's own claims."""
    names = [
        domain.name
        for version in versions
        if not version.active
        for domain in configs[version.pk].domains
    ]
    accounts = {version.service.account_id for version in versions if version.active}
    return read_ownership(names, accounts)


def _with_certificates(
    facts: DeployFacts, certificates: Iterable[OriginCertificate]
) -> DeployFacts:
    seen = tuple(certificates)
    if not seen:
        return facts
    return replace(
        facts, findings=all_findings(facts.config, facts.entitlement.products, seen)
    )


def _person(actor: Actor, version: Version) -> PersonFacts:
    service_id = version.service_id
    access = policy.load_access(actor, version.service.account_id)
    answers = access.explain(Permission.SERVICE_DEPLOY, service_id)
    return PersonFacts(
        role=access.role,
        refusals=tuple(each for each in answers if not each.allowed),
        sees_configuration=access.is_member
        and access.decide(Permission.SERVICE_READ, service_id).allowed,
    )


def _names(
    permission: Permission, account_id: str, service_id: str | None = None
) -> tuple[str, ...]:
    return tuple(
        str(member.user)
        for member in policy.members_with(permission, account_id, service_id)
    )
