"""Activate and deactivate versions; a refusal lists every reason and is recorded."""

from datetime import datetime, timedelta

from django.db import IntegrityError
from prometheus_client import Counter

from accounts.actor import Actor
from accounts.audit.vocabulary import Event
from accounts.change import Unchanged, record_refusal, recorded_change
from accounts.errors import Conflict, Forbidden, NotFound, RefusalError
from accounts.roles import Permission
from products.compatibility.version_config import WEBSOCKETS, OriginCertificate
from products.deploy.decision import (
    DeployDecision,
    decide_deployment,
    probe_origin_of,
)
from products.deploy.models import Deployment
from products.domains.commands import SERIALISED, claim_domains_of_activation
from products.domains.models import ActiveDomain
from products.domains.queries import verification_is_off
from products.services.commands.locking import version_for_update
from products.services.commands.validators import clean_comment
from products.services.commands.versions import version_target
from products.services.lifecycle import Transition, is_allowed
from products.services.models import Service, Version
from products.services.queries import parts_of

# A CI job that repeats a refused deployment must not fill the trail.
REPEATED_WITHIN = timedelta(hours=1)

REFUSED = Counter(
    "tollgate_refused_deployments", "Refused deployments by failed check.", ["check"]
)


class DeploymentRefused(RefusalError):
    """The version cannot be activated; `decision` has all checks."""

    code = "deployment_refused"
    decision: DeployDecision


class DeploymentForbidden(DeploymentRefused, Forbidden):
    """The actor may not deploy this service."""


class DeploymentBlocked(DeploymentRefused, Conflict):
    """No one could activate this version as things are."""


class DomainTaken(Conflict):
    """Another service took one of the domains after the decision."""

    code = "domain_taken"


class NotActive(Conflict):
    """The version to be deactivated is not active."""

    code = "not_active"


class NotStaged(Conflict):
    """The version whose staging is to end is not staged."""

    code = "not_staged"


def refusal(decision: DeployDecision) -> DeploymentRefused:
    """Return the refusal with a decision's reasons; its text also says what to do about them."""
    kind = DeploymentForbidden if decision.is_personal else DeploymentBlocked
    text = " ".join(f"{each.reason} {each.remedy}".strip() for each in decision.failed)
    error = kind(text, details=decision.reasons)
    error.decision = decision
    return error


def activate(
    actor: Actor, *, version: Version, now: datetime, comment: str = ""
) -> Deployment | None:
    """Activate a version in place of the active one; an older version rolls back.

    Returns None for a version that is active already: there is nothing to deploy. The origin is
    probed first, before the transaction (R9), if all other checks allow it. Raises NotFound for a
    non-member, else DeploymentForbidden or DeploymentBlocked with all checks; these are recorded as
    deployment.refused. Raises DomainTaken, ServiceGone, and Invalid for a comment that is too long
    or has control characters. Notes version.activated; edges follow within seconds.
    """
    comment = clean_comment(comment)
    certificates = probe_origin_of(actor, version=version, if_allowed=True)
    try:
        return _activate(
            actor, version=version, certificates=certificates, comment=comment, now=now
        )
    except DeploymentRefused as refused:
        _record(actor, version=version, refused=refused, now=now)
        raise
    except Forbidden:
        decision = decide_deployment(actor, version=version, certificates=certificates)
        if decision.allowed:  # the actor got the permission only now
            raise
        forbidden = refusal(decision)
        _record(actor, version=version, refused=forbidden, now=now)
        raise forbidden from None


def _activate(
    actor: Actor,
    *,
    version: Version,
    certificates: tuple[OriginCertificate, ...],
    comment: str,
    now: datetime,
) -> Deployment | None:
    service = version.service
    deployment = None
    # Without verification, activation claims the domains.
    also = SERIALISED if verification_is_off() else ()
    with recorded_change(
        actor, Permission.SERVICE_DEPLOY, on=service, also=also, now=now
    ) as trail:
        version = version_for_update(version)
        decision = decide_deployment(actor, version=version, certificates=certificates)
        if not decision.allowed:
            raise refusal(decision)
        if not is_allowed(version.state, Transition.ACTIVATE):
            raise Unchanged
        old = _locked(service, active=True)
        if old is not None:
            _deactivate(old, now=trail.now)
        version.active = version.locked = True
        version.updated_at = trail.now
        version.save(update_fields=["active", "locked", "updated_at"])
        names = _replace_domains(service, version)
        claim_domains_of_activation(
            trail,
            account=version.service.account,
            domains=names,
            actor=actor,
            now=trail.now,
        )
        deployment = Deployment.objects.create(
            service=service,
            version=version.number,
            replaced=old.number if old else None,
            kind=Deployment.Kind.ACTIVATED,
            comment=comment,
            findings=[finding.message for finding in decision.warnings],
            deployed_by=actor.words,
            deployed_at=trail.now,
        )
        trail.note(
            Event.VERSION_ACTIVATED,
            target=version_target(version),
            product=WEBSOCKETS if decision.uses_websockets else "",
            service_id=service.pk,
            before={"active_version": old.number if old else 0},
            after={"active_version": version.number, "warnings": deployment.findings},
            reason=comment,
        )
    return deployment


def deactivate(
    actor: Actor, *, version: Version, now: datetime, comment: str = ""
) -> Deployment:
    """Deactivate the active version; its domains become free.

    Raises Forbidden, NotFound, ServiceGone, NotActive, and Invalid for a comment that is too long or has
    control characters. Notes version.deactivated.
    """
    comment = clean_comment(comment)
    service = version.service
    with recorded_change(
        actor, Permission.SERVICE_DEPLOY, on=service, now=now
    ) as trail:
        version = version_for_update(version)
        if not is_allowed(version.state, Transition.DEACTIVATE):
            raise NotActive(f"Version {version.number} is not active.")
        _deactivate(version, now=trail.now)
        ActiveDomain.objects.filter(service=service).delete()
        deployment = Deployment.objects.create(
            service=service,
            version=version.number,
            kind=Deployment.Kind.DEACTIVATED,
            comment=comment,
            deployed_by=actor.words,
            deployed_at=trail.now,
        )
        trail.note(
            Event.VERSION_DEACTIVATED,
            target=version_target(version),
            service_id=service.pk,
            before={"active_version": version.number},
            after={"active_version": 0},
            reason=comment,
        )
    return deployment


def stage(actor: Actor, *, version: Version, now: datetime) -> None:
    """Mark a version as staged, in place of another, and lock it.

    Edges have no staging environment, so nothing is deployed. Raises Forbidden, NotFound and ServiceGone.
    Notes version.staged if it changes.
    """
    service = version.service
    with recorded_change(
        actor, Permission.SERVICE_DEPLOY, on=service, now=now
    ) as trail:
        version = version_for_update(version)
        if version.staged:
            raise Unchanged
        old = _locked(service, staged=True)
        if old is not None:
            _set_staged(old, staged=False, now=trail.now)
        version.locked = True
        _set_staged(version, staged=True, now=trail.now)
        trail.note(
            Event.VERSION_STAGED,
            target=version_target(version),
            service_id=service.pk,
            before={"staged_version": old.number if old else 0},
            after={"staged_version": version.number},
        )


def unstage(actor: Actor, *, version: Version, now: datetime) -> None:
    """End the staging of a version.

    Raises Forbidden, NotFound, ServiceGone and NotStaged. Notes version.unstaged.
    """
    service = version.service
    with recorded_change(
        actor, Permission.SERVICE_DEPLOY, on=service, now=now
    ) as trail:
        version = version_for_update(version)
        if not version.staged:
            raise NotStaged(f"Version {version.number} is not staged.")
        _set_staged(version, staged=False, now=trail.now)
        trail.note(
            Event.VERSION_UNSTAGED,
            target=version_target(version),
            service_id=service.pk,
            before={"staged_version": version.number},
            after={"staged_version": 0},
        )


def _locked(service: Service, **state: bool) -> Version | None:
    """Return the service's version in a state, locked; None if none is."""
    rows = Version.objects.select_for_update().filter(service=service, **state)
    return rows.first()


def _set_staged(version: Version, *, staged: bool, now: datetime) -> None:
    version.staged = staged
    version.updated_at = now
    version.save(update_fields=["staged", "locked", "updated_at"])


def _deactivate(version: Version, *, now: datetime) -> None:
    version.active = False
    version.updated_at = now
    version.save(update_fields=["active", "updated_at"])


def _replace_domains(service: Service, version: Version) -> list[str]:
    """Give the service the version's domains, and return them. Raises DomainTaken."""
    ActiveDomain.objects.filter(service=service).delete()
    # In one order: two accounts that want the same names wait for each other, without a deadlock.
    names = sorted(each.name for each in parts_of(version, "domain"))
    try:
        ActiveDomain.objects.bulk_create(
            ActiveDomain(name=name, service=service) for name in names
        )
    except IntegrityError as error:  # only the uniqueness of names can fail here
        raise DomainTaken(
            "One of the domains is already used by another service."
        ) from error
    return names


def _record(
    actor: Actor, *, version: Version, refused: DeploymentRefused, now: datetime
) -> None:
    """Record a member's refused deployment; within an hour, the fourth of the same is only counted.

    Raises NotFound for a non-member, and records nothing.
    """
    service = version.service
    if refused.decision.is_non_member:
        raise NotFound(f"Service {service.pk} not found.")
    record_refusal(
        actor,
        Event.DEPLOYMENT_REFUSED,
        on=service,
        target=version_target(version),
        reasons=refused.decision.reasons,
        now=now,
        repeated_within=REPEATED_WITHIN,
    )
    for check in refused.decision.failed:
        REFUSED.labels(check.code).inc()
