"""The Django app of domain claims."""

from django.apps import AppConfig


class DomainsConfig(AppConfig):
    """Domain claims, and the domains of active versions."""

    name = "products.domains"
    label = "domains"
    verbose_name = "Domains"
