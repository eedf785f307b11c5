"""The Django app of webhooks."""

from django.apps import AppConfig


class WebhooksConfig(AppConfig):
    """Messages about an account's changes to the account's own servers."""

    name = "products.webhooks"
    label = "webhooks"
    verbose_name = "Webhooks"
