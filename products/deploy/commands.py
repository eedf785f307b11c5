"""Put a version live, or take it off; refused with every reason at once, and recorded."""

from datetime import datetime

from django.db import IntegrityError

from accounts.actor import Actor
from accounts.audit.vocabulary import Event
from accounts.change import record_refusal, recorded_change
from accounts.errors import Conflict, Forbidden, NotFound, RefusalError
from accounts.roles import Permission
from products.compatibility.version_config import OriginCertificate
from products.deploy import probes
from products.deploy.decision import decide_deployment
from products.deploy.models import Deployment, LiveDomain
from products.deploy.verdict import Verdict
from products.services.commands.validators import clean_comment
from products.services.describe import version_config
from products.services.models import Service, Version

# Of these gates the person is the reason; of the others the state of things is.
PERSONAL_GATES = frozenset({4, 5})


class DeploymentRefused(RefusalError):
    """The version may not go live; `verdict` has all eight gates."""

    code = "deployment_refused"
    verdict: Verdict


class DeploymentForbidden(DeploymentRefused, Forbidden):
    """The person may not deploy this service."""


class DeploymentBlocked(DeploymentRefused, Conflict):
    """Nobody could put this version live as things stand."""


class NotActive(Conflict):
    """The version to be taken off is not live."""

    code = "not_active"


def refusal(verdict: Verdict) -> DeploymentRefused:
    """Return the refusal that says a verdict's reasons."""
    personal = any(gate.number in PERSONAL_GATES for gate in verdict.failed)
    kind = DeploymentForbidden if personal else DeploymentBlocked
    error = kind(" ".join(verdict.reasons), details=verdict.reasons)
    error.verdict = verdict
    return error


def activate(
    actor: Actor, *, version: Version, now: datetime, comment: str = ""
) -> Deployment:
    """Put a version live in place of the one that is; activating an older one rolls back.

    The origin is probed first, before the transaction (R9). Raises NotFound for a stranger, else
    DeploymentForbidden or DeploymentBlocked with all eight gates; a member's refusal is recorded
    as deployment.refused. Raises Invalid for a comment that cannot be kept. Notes version.activated.
    The edges learn of it after commit.
    """
    comment = clean_comment(comment)
    verdict = decide_deployment(actor, version=version, now=now)
    certificates: tuple[OriginCertificate, ...] = ()
    if verdict.allowed and verdict.uses_websockets:
        certificates = probes.probe_certificates(
            version_config(version), version.service.account_id
        )
    try:
        return _activate(
            actor, version=version, certificates=certificates, comment=comment, now=now
        )
    except DeploymentRefused as refused:
        _record(actor, version=version, refused=refused, now=now)
        raise
    except IntegrityError as error:
        # Another account's service took one of the domains between the check and the write.
        raise Conflict(
            "One of the version's domains is live in another service."
        ) from error
    except Forbidden:
        personal = refusal(decide_deployment(actor, version=version, now=now))
        _record(actor, version=version, refused=personal, now=now)
        raise personal from None


def _activate(
    actor: Actor,
    *,
    version: Version,
    certificates: tuple[OriginCertificate, ...],
    comment: str,
    now: datetime,
) -> Deployment:
    service = version.service
    with recorded_change(
        actor, Permission.SERVICE_DEPLOY, on=service, now=now
    ) as trail:
        versions = Version.objects.select_for_update().select_related(
            "service__account"
        )
        version = versions.get(pk=version.pk)
        verdict = decide_deployment(
            actor, version=version, certificates=certificates, now=now
        )
        if not verdict.allowed:
            raise refusal(verdict)
        old = versions.filter(service=service, active=True).first()
        _take_off(old, now=now)
        version.active = version.locked = True
        version.updated_at = now
        version.save(update_fields=["active", "locked", "updated_at"])
        _take_domains(service, version)
        deployment = Deployment.objects.create(
            service=service,
            version=version.number,
            replaced=old.number if old else None,
            kind=Deployment.Kind.ACTIVATED,
            comment=comment,
            findings=[problem.message for problem in verdict.warnings],
            deployed_by=actor.label,
            deployed_at=now,
        )
        trail.note(
            Event.VERSION_ACTIVATED,
            target=(
                "version",
                f"{service.pk}/{version.number}",
                f"{service.name} {version}",
            ),
            product="websockets" if verdict.uses_websockets else "",
            service_id=service.pk,
            before={"active_version": old.number if old else 0},
            after={"active_version": version.number, "warnings": deployment.findings},
            reason=comment,
        )
    return deployment


def deactivate(
    actor: Actor, *, version: Version, now: datetime, comment: str = ""
) -> Deployment:
    """Take the live version off; its domains are free again.

    Raises Forbidden, NotFound, NotActive, and Invalid for a comment that cannot be kept. Notes
    version.deactivated.
    """
    comment = clean_comment(comment)
    service = version.service
    with recorded_change(
        actor, Permission.SERVICE_DEPLOY, on=service, now=now
    ) as trail:
        version = Version.objects.select_for_update().get(pk=version.pk)
        if not version.active:
            raise NotActive(f"Version {version.number} is not active.")
        _take_off(version, now=now)
        LiveDomain.objects.filter(service=service).delete()
        deployment = Deployment.objects.create(
            service=service,
            version=version.number,
            kind=Deployment.Kind.DEACTIVATED,
            comment=comment,
            deployed_by=actor.label,
            deployed_at=now,
        )
        trail.note(
            Event.VERSION_DEACTIVATED,
            target=(
                "version",
                f"{service.pk}/{version.number}",
                f"{service.name} {version}",
            ),
            service_id=service.pk,
            before={"active_version": version.number},
            after={"active_version": 0},
            reason=comment,
        )
    return deployment


def _take_off(version: Version | None, *, now: datetime) -> None:
    if version is not None:
        version.active = False
        version.updated_at = now
        version.save(update_fields=["active", "updated_at"])


def _take_domains(service: Service, version: Version) -> None:
    LiveDomain.objects.filter(service=service).delete()
    # In one order for everybody: two accounts that want the same names wait, and do not deadlock.
    names = version.domains.order_by("name").values_list("name", flat=True)
    LiveDomain.objects.bulk_create(
        LiveDomain(name=name, service=service) for name in names
    )


def _record(
    actor: Actor, *, version: Version, refused: DeploymentRefused, now: datetime
) -> None:
    """Record a member's refused deployment; of a stranger's nothing is kept."""
    service = version.service
    if refused.verdict.gates[3].reason.startswith("You are not a member"):
        raise NotFound(f"There is no service '{service.pk}'.")
    record_refusal(
        actor,
        Event.DEPLOYMENT_REFUSED,
        on=service,
        target=(
            "version",
            f"{service.pk}/{version.number}",
            f"{service.name} {version}",
        ),
        reasons=refused.verdict.reasons,
        now=now,
    )
