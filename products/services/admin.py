"""Services and versions for the platform's admins: to read, nothing to change."""

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from products.services.models import Service, Version


class ReadOnlyAdmin(admin.ModelAdmin):
    """Staff read; nobody adds, changes or deletes here, not even a Django superuser."""

    actions = None
    show_full_result_count = False

    def has_view_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        """Let the platform's staff read."""
        return request.user.is_active and request.user.is_staff

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Show the section to whoever may read it."""
        return self.has_view_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Let nobody add."""
        return False

    def has_change_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        """Let nobody change."""
        return False

    def has_delete_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        """Let nobody delete."""
        return False


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
