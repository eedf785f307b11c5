"""The Django app of billing."""

from django.apps import AppConfig

from accounts.triggers import register
from products.billing import triggers


class BillingConfig(AppConfig):
    """Invoices, credits and budgets."""

    name = "products.billing"
    label = "billing"
    verbose_name = "Billing"

    def ready(self) -> None:
        """Name the tables whose rows are not changed."""
        register(*triggers.GUARDED)
