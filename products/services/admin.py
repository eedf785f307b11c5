"""Services and versions in the admin, read-only."""

from django.contrib import admin
from django.http import HttpRequest

from accounts.admin_pages import (
    ReadOnlyAdmin,
    account_link,
    set_filter,
    yes_no_filter,
)
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
    search_help_text = (
        "A part of the name of the service or its account, or its ID in full"
    )
    ordering = ("account__name", "name")
    readonly_fields = ("id",)
    change_form_template = "admin/services/service.html"

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
    list_filter = (
        ("active", yes_no_filter("state", yes="Active", no="Not active")),
        ("locked", yes_no_filter("lock", yes="Locked", no="Draft")),
        ("staged", yes_no_filter("staging", yes="Staged", no="Not staged")),
    )
    list_select_related = ("service__account",)
    search_fields = (
        *("=service__id", "service__name"),
        *("=service__account__id", "service__account__name"),
    )
    search_help_text = (
        "A part of the name of the service or its account, or its ID in full"
    )
    ordering = ("-created_at", "-pk")
    change_form_template = "admin/services/version.html"

    def row_context(self, request: HttpRequest, row: Version) -> dict[str, object]:
        """Name the version with its service."""
        return {"subtitle": f"{row} of {row.service}"}

    @admin.display(description="account")
    def account(self, version: Version) -> str:
        """Return the account's name, as a link to its page."""
        return account_link(version.service.account)

    def trail_filter(self, row: Version) -> dict[str, str]:
        """Return the filter for the entries about the version."""
        return {"target_type": "version", "target": f"{row.service_id}/{row.number}"}


@admin.register(Part)
class PartAdmin(ReadOnlyAdmin):
    """Parts of all versions; secrets are never shown."""

    list_display = ("name", "kind", "version", "service", "account", "updated_at")
    list_filter = ("kind",)
    list_select_related = ("version__service__account",)
    search_fields = ("=name", "=public_id", "=version__service__id")
    search_help_text = "Name, ID or the service's ID, in full"
    ordering = ("-updated_at", "-pk")
    exclude = ("values",)
    readonly_fields = ("shown_values",)

    @admin.display(description="service")
    def service(self, part: Part) -> str:
        """Return the service's name."""
        return part.version.service.name

    @admin.display(description="account")
    def account(self, part: Part) -> str:
        """Return the account's name, as a link to its page."""
        return account_link(part.version.service.account)

    @admin.display(description="values")
    def shown_values(self, part: Part) -> str:
        """Return the values as the trail has them, a line each."""
        shown = audit_values(part).items()
        return "\n".join(f"{field}: {value}" for field, value in shown)

    def trail_filter(self, row: Part) -> dict[str, str]:
        """Return the filter for the entries of the service."""
        return {"service": row.version.service_id}
