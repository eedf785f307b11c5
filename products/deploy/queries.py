"""What was activated and deactivated, by whom and when."""

from collections.abc import Iterable

from products.deploy.models import Deployment
from products.services.models import Service


def recent_deployments(service: Service, *, limit: int) -> list[Deployment]:
    """Return a service's latest activations and deactivations, newest first."""
    return list(service.deployments.order_by("-deployed_at", "-pk")[:limit])


def last_activations(service: Service, numbers: Iterable[int]) -> dict[int, Deployment]:
    """Return the latest activation of each of these versions, by number: one query."""
    rows = service.deployments.filter(
        kind=Deployment.Kind.ACTIVATED, version__in=list(numbers)
    ).order_by("deployed_at", "pk")
    return {row.version: row for row in rows}


def previous_version(service: Service) -> int | None:
    """Return the version that was active before the active one, or before nothing was."""
    last = service.deployments.order_by("-deployed_at", "-pk").first()
    if last is None:
        return None
    return last.replaced if last.kind == Deployment.Kind.ACTIVATED else last.version
