"""Services and versions for the platform's admins: to read, nothing to change."""

from django.contrib import admin

from accounts.admin_pages import ReadOnlyAdmin
from products.services.models import Service, Version


@admin.register(Service)
class ServiceAdmin(ReadOnlyAdmin):
    """All accounts' services, the deleted ones too."""

    list_display = ("name", "id", "account", "type", "created_at", "deleted_at")
    list_filter = ("type", ("deleted_at", admin.EmptyFieldListFilter))
    list_select_related = ("account",)
    search_fields = ("=id", "name", "=account__id", "account__name")
    ordering = ("account__name", "name")


@admin.register(Version)
class VersionAdmin(ReadOnlyAdmin):
    """All services' versions."""

    list_display = (
        "service",
        "number",
        "account",
        "active",
        "locked",
        "author",
        "comment",
        "created_at",
    )
    list_filter = ("active", "locked")
    list_select_related = ("service__account",)
    search_fields = ("=service__id", "service__name", "=service__account__id")
    ordering = ("-created_at", "-pk")

    @admin.display(description="account")
    def account(self, version: Version) -> str:
        """Name the account."""
        return version.service.account.name
