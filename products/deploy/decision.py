"""Every reason why a version may or may not go live: one decision, eight gates, one order.

Pages, API, the deploy command, `validate` and the edge's route table all read this. The facts are
read once, in a constant number of queries; judging them is pure.
"""

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime

from accounts import policy
from accounts.actor import Actor
from accounts.roles import Permission
from products.compatibility.findings import Severity
from products.compatibility.rules import all_findings
from products.compatibility.version_config import OriginCertificate, uses_websockets
from products.deploy import checks
from products.deploy.models import LiveDomain
from products.deploy.verdict import (
    CheckOutcome,
    DeployFacts,
    GateAnswer,
    ProductFacts,
    Verdict,
)
from products.enablement.models import Enablement
from products.enablement.queries import current_by_account, products_on
from products.services.describe import version_config
from products.services.models import Version

WEBSOCKETS = "websockets"


def facts_of(
    actor: Actor, *, version: Version, certificates: Iterable[OriginCertificate] = ()
) -> DeployFacts:
    """Read what the gates look at: ten queries, whatever the account's size."""
    service = version.service
    account = service.account
    config = version_config(version)
    here = policy.load_access(actor, account.pk)
    on = products_on(service)
    uses = uses_websockets(config, WEBSOCKETS in on)
    names = [domain.name for domain in config.domains]
    taken = LiveDomain.objects.filter(name__in=names).exclude(service=service)
    return DeployFacts(
        actor=actor,
        account_name=account.name,
        suspended=account.suspended_at is not None,
        suspension_reason=account.suspension_reason,
        here=here,
        answers=here.explain(Permission.SERVICE_DEPLOY, service.pk),
        product=product_facts([account.pk])[account.pk],
        switched_on=WEBSOCKETS in on,
        uses_websockets=uses,
        problems=all_findings(config, on | {WEBSOCKETS}, certificates) if uses else (),
        config=config,
        service_id=service.pk,
        active=version.active,
        taken_domains=tuple(taken.order_by("name").values_list("name", flat=True)),
    )


def decide_deployment(
    actor: Actor,
    *,
    version: Version,
    now: datetime,  # noqa: ARG001 - enablements with an end to come will be asked at this instant
    certificates: Iterable[OriginCertificate] = (),
) -> Verdict:
    """Answer whether this actor may put this version live now, with all eight gates.

    Default deny. Asks nobody outside: what the origin's certificate looked like is passed in.
    Who can help is read, in two queries more, only where something failed.
    """
    facts = facts_of(actor, version=version, certificates=certificates)
    verdict = evaluate(facts)
    if verdict.allowed:
        return verdict
    account_id = version.service.account_id
    return evaluate(
        replace(
            facts,
            superusers=_names(Permission.MEMBER_MANAGE, account_id),
            configurers=_names(
                Permission.SERVICE_CONFIGURE, account_id, version.service_id
            ),
        )
    )


def evaluate(facts: DeployFacts) -> Verdict:
    """Answer from facts already read; pure."""
    uses = facts.uses_websockets
    answers: tuple[GateAnswer, ...] = (
        checks.account_is_active(facts),
        checks.product_is_enabled(facts, uses=uses),
        checks.nothing_stopped_it(facts, uses=uses),
        checks.role_allows(facts),
        checks.access_covers(facts),
        checks.service_is_switched_on(facts, uses=uses),
        checks.version_is_complete(facts),
        checks.no_rule_is_broken(facts, uses=uses),
    )
    sees = sees_configuration(facts)
    if not sees:
        answers = (*answers[:5], *(checks.not_shown(answer) for answer in answers[5:]))
    return Verdict(
        allowed=not any(gate.state is CheckOutcome.FAILED for gate in answers),
        uses_websockets=uses,
        gates=answers,
        warnings=tuple(
            problem
            for problem in facts.problems
            if sees and problem.severity is not Severity.BLOCKS
        ),
        sees_configuration=sees,
    )


def sees_configuration(facts: DeployFacts) -> bool:
    """Tell whether this person may see what the version holds; else the last gates are not shown."""
    return facts.here.decide(Permission.SERVICE_READ, facts.service_id).allowed


def product_facts(account_ids: Collection[str]) -> dict[str, ProductFacts]:
    """Read whether accounts have WebSockets, and whether something stopped it. One query."""
    held = current_by_account(account_ids, WEBSOCKETS)
    return {key: _product(held.get(key)) for key in account_ids}


def _product(held: Enablement | None) -> ProductFacts:
    if held is None:
        return ProductFacts(is_on=False)
    return ProductFacts(
        is_on=True, blocked_reason=held.blocked_reason if held.blocked_at else ""
    )


def _names(
    permission: Permission, account_id: str, service_id: str | None = None
) -> tuple[str, ...]:
    return tuple(
        str(member.user)
        for member in policy.members_with(permission, account_id, service_id)
    )
