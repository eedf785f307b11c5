"""Deployments in the admin, read-only."""

from django.contrib import admin

from accounts.admin_pages import ReadOnlyAdmin
from products.deploy.models import Deployment


@admin.register(Deployment)
class DeploymentAdmin(ReadOnlyAdmin):
    """Activations and deactivations of versions."""

    list_display = (
        "deployed_at",
        "service",
        "version",
        "kind",
        "deployed_by",
        "comment",
    )
    list_filter = ("kind",)
    list_select_related = ("service",)
    search_fields = ("=service__id", "service__name")
    ordering = ("-deployed_at",)
