"""Deployments in the admin, read-only."""

from django.contrib import admin

from accounts.admin_pages import ReadOnlyAdmin, account_link
from products.deploy.models import Deployment


@admin.register(Deployment)
class DeploymentAdmin(ReadOnlyAdmin):
    """Activations and deactivations of versions."""

    list_display = (
        "deployed_at",
        "service",
        "account",
        "version",
        "kind",
        "deployed_by",
        "comment",
    )
    list_filter = ("kind",)
    list_select_related = ("service__account",)
    search_fields = (
        *("=service__id", "service__name"),
        *("=service__account__id", "service__account__name"),
    )
    search_help_text = (
        "A part of the name of the service or its account, or its ID in full"
    )
    ordering = ("-deployed_at",)

    @admin.display(description="account")
    def account(self, row: Deployment) -> str:
        """Return the account's name, as a link to its page."""
        return account_link(row.service.account)
