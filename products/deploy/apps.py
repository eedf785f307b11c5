"""Django's registration of the deploy flat."""

from django.apps import AppConfig


class DeployConfig(AppConfig):
    """Puts versions live, or says every reason why not."""

    name = "products.deploy"
    label = "deploy"
    verbose_name = "Deploy"
