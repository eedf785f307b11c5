"""Who put what live, and when."""

from django.db.models import QuerySet

from products.deploy.models import Deployment
from products.services.models import Service


def history(service: Service) -> "QuerySet[Deployment]":
    """Return a service's deployments, newest first."""
    return Deployment.objects.filter(service=service).order_by("-deployed_at", "-pk")
