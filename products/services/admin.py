"""Services and versions in the admin, read-only."""

from django.contrib import admin

from accounts.admin_pages import ReadOnlyAdmin, set_filter
from products.services.models import Part, Service, Version
from products.services.summary import audit_values


@admin.register(Service)
class ServiceAdmin(ReadOnlyAdmin):
    """Services of all accounts, including deleted ones."""

    list_display = ("name", "id", "account", "type", "created_at", "deleted_at")
    list_filter = (
        "type",
        ("deleted_at", set_filter("state", unset="Existing", filled="Deleted")),
    )
    list_select_related = ("account",)
    search_fields = ("=id", "name", "=account__id", "account__name")
    ordering = ("account__name", "name")

    def trail_filter(self, row: Service) -> dict[str, str]:
        """Return the filter for the entries of the service."""
        return {"service": row.pk}


@admin.register(Version)
class VersionAdmin(ReadOnlyAdmin):
    """Versions of all services."""

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
    list_filter = ("active", "locked", "staged")
    list_select_related = ("service__account",)
    search_fields = ("=service__id", "service__name", "=service__account__id")
    ordering = ("-created_at", "-pk")

    @admin.display(description="account")
    def account(self, version: Version) -> str:
        """Return the account's name."""
        return version.service.account.name

    def trail_filter(self, row: Version) -> dict[str, str]:
        """Return the filter for the entries about the version."""
        return {"target_type": "version", "target": f"{row.service_id}/{row.number}"}


@admin.register(Part)
class PartAdmin(ReadOnlyAdmin):
    """Parts of all versions; secrets are never shown."""

    list_display = ("name", "kind", "version", "service", "updated_at")
    list_filter = ("kind",)
    list_select_related = ("version__service",)
    search_fields = ("=name", "=public_id", "=version__service__id")
    ordering = ("-updated_at", "-pk")
    exclude = ("values",)
    readonly_fields = ("shown_values",)

    @admin.display(description="service")
    def service(self, part: Part) -> str:
        """Return the service's name."""
        return part.version.service.name

    @admin.display(description="values")
    def shown_values(self, part: Part) -> str:
        """Return the values as the trail has them, a line each."""
        shown = audit_values(part).items()
        return "\n".join(f"{field}: {value}" for field, value in shown)

    def trail_filter(self, row: Part) -> dict[str, str]:
        """Return the filter for the entries of the service."""
        return {"service": row.version.service_id}
