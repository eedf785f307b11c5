"""Who put what live, and when; and the whole decision, the origin's certificate included."""

from datetime import datetime

from django.db.models import QuerySet

from accounts.actor import Actor
from products.deploy import probes
from products.deploy.decision import decide_deployment
from products.deploy.models import Deployment
from products.deploy.verdict import Verdict
from products.services.describe import version_config
from products.services.models import Service, Version


def history(service: Service) -> "QuerySet[Deployment]":
    """Return a service's deployments, newest first."""
    return Deployment.objects.filter(service=service).order_by("-deployed_at", "-pk")


def decision_with_probe(actor: Actor, *, version: Version, now: datetime) -> Verdict:
    """Return all eight gates, the origin probed (R9) where it matters; not in a transaction.

    Takes up to three seconds where the origin is slow and was not asked within the minute.
    """
    verdict = decide_deployment(actor, version=version, now=now)
    if not verdict.uses_websockets or not verdict.sees_configuration:
        return verdict
    certificates = probes.probe_certificates(
        version_config(version), version.service.account_id
    )
    if not certificates:
        return verdict
    return decide_deployment(actor, version=version, certificates=certificates, now=now)
