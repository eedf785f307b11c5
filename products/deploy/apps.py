"""The Django app of deployments."""

from django.apps import AppConfig


class DeployConfig(AppConfig):
    """The deployment decision, activation, and the route table."""

    name = "products.deploy"
    label = "deploy"
    verbose_name = "Deploy"
