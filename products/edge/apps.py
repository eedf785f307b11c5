"""Django's registration of the edge: for its management command alone."""

from django.apps import AppConfig


class EdgeConfig(AppConfig):
    """The data plane; its process knows nothing of Django."""

    name = "products.edge"
    label = "edge"
