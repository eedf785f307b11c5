"""Edges and what they reported, for the platform's staff: to read, and conflicts to resolve."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from accounts.admin_pages import ReadOnlyAdmin
from accounts.authentication import staff_actor_of
from accounts.errors import Conflict
from products.metering.commands import resolve_conflict
from products.metering.models import (
    ConnectionUsage,
    DeliveryUsage,
    Edge,
    UsageConflict,
    UsagePeriod,
)
from products.metering.queries.before_creation import (
    connections_before_creation,
    early_delivery,
)
from products.metering.queries.edges import OFFLINE_AFTER
from products.services.models import Service


class ResolveForm(forms.Form):
    """Which version counts, and why."""

    keep = forms.ChoiceField(
        label="What counts",
        choices=UsageConflict.Resolution.choices,
        widget=forms.RadioSelect,
    )
    reason = forms.CharField(
        label="Reason",
        max_length=500,
        help_text="The account’s superusers read it, and the trail keeps it.",
        widget=forms.Textarea({"rows": 3}),
    )


@admin.register(Edge)
class EdgeAdmin(ReadOnlyAdmin):
    """Every edge: how it does, and when it was last heard."""

    list_display = (
        "name",
        "state",
        "engine",
        "version",
        "last_seen_at",
        "reported_at",
        "generation",
        "open_connections",
        "spool",
        "clock",
        "records_refused",
        "log_lines_dropped",
    )
    list_filter = (("revoked_at", admin.EmptyFieldListFilter),)
    search_fields = ("name",)
    ordering = ("revoked_at", "name", "-created_at")
    exclude = ("digest",)

    @admin.display(description="state")
    def state(self, edge: Edge) -> str:
        """Say whether the edge speaks."""
        if edge.revoked_at is not None:
            return "credential revoked"
        if edge.last_seen_at is None:
            return "never heard"
        is_silent = edge.last_seen_at < timezone.now() - OFFLINE_AFTER
        return "silent" if is_silent else "speaks"

    @admin.display(description="spool waiting (bytes)")
    def spool(self, edge: Edge) -> str:
        """Say how much waits, and whether more can be written."""
        waiting = f"{edge.spool_waiting_bytes:,}"
        return waiting if edge.spool_is_writable else f"{waiting}, NOT WRITABLE"

    @admin.display(description="clock (ms)")
    def clock(self, edge: Edge) -> str:
        """Say how far its clock is ahead of ours, and mark more than two seconds."""
        if edge.clock_offset_ms is None:
            return "–"
        return f"{edge.clock_offset_ms:+,}{' DIFFERS' * edge.clock_differs}"


class KnownFilter(admin.SimpleListFilter):
    """Usage of services that the portal knows, or does not, or did not know yet."""

    title = "service"
    parameter_name = "service_is"
    early: Callable[[QuerySet], QuerySet]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Offer all three."""
        return [
            ("unknown", "Unknown to the portal"),
            ("known", "Known"),
            ("early", "From before it was made"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        """Narrow to the kind asked for."""
        known = Service.objects.values("pk")
        if self.value() == "unknown":
            return queryset.exclude(service__in=known)
        if self.value() == "known":
            return queryset.filter(service__in=known)
        if self.value() == "early":
            return type(self).early(queryset)
        return queryset


class ConnectionsKnownFilter(KnownFilter):
    """Connections of services that the portal knows, or does not, or did not know yet."""

    early = staticmethod(connections_before_creation)


class DeliveryKnownFilter(KnownFilter):
    """Ordinary HTTP of services that the portal knows, or does not, or did not know yet."""

    early = staticmethod(early_delivery)


@admin.register(ConnectionUsage)
class ConnectionUsageAdmin(ReadOnlyAdmin):
    """Every connection in every month."""

    list_display = (
        "connection_id",
        "month",
        "service",
        "edge",
        "started_at",
        "duration_us",
        "bytes_from_client",
        "bytes_to_client",
        "final",
        "presumed_closed_at",
        "last_reported_at",
        "clock_differs",
    )
    list_filter = (
        "final",
        "clock_differs",
        ("presumed_closed_at", admin.EmptyFieldListFilter),
        ConnectionsKnownFilter,
    )
    search_fields = ("=connection_id", "=service", "=month")
    ordering = ("-pk",)


@admin.register(DeliveryUsage)
class DeliveryUsageAdmin(ReadOnlyAdmin):
    """Ordinary HTTP, by hour."""

    list_display = (
        "service",
        "hour",
        "edge",
        "boot",
        "requests",
        "bytes_from_client",
        "bytes_to_client",
    )
    list_filter = (DeliveryKnownFilter,)
    search_fields = ("=service", "=edge", "=boot")
    ordering = ("-hour", "service")


@admin.register(UsagePeriod)
class UsagePeriodAdmin(ReadOnlyAdmin):
    """What was derived, by service and month; no account where the portal knows no such service."""

    list_display = (
        "month",
        "service",
        "account_id",
        "minutes",
        "connections",
        "bytes_from_client",
        "bytes_to_client",
        "requests",
        "settled",
        "as_of",
    )
    list_filter = ("settled", ("account_id", admin.EmptyFieldListFilter))
    search_fields = ("=service", "=account_id", "=month")
    ordering = ("-month", "service")


@admin.register(UsageConflict)
class UsageConflictAdmin(ReadOnlyAdmin):
    """Reports that contradict what is counted; open ones wait for somebody to decide."""

    list_display = (
        "record_id",
        "month",
        "service",
        "account_id",
        "edge",
        "reason",
        "found_at",
        "resolution",
        "resolved_by",
    )
    list_filter = (("resolved_at", admin.EmptyFieldListFilter), "reason", "kind")
    search_fields = ("=record_id", "=service", "=account_id", "=month")
    ordering = ("-found_at", "-pk")
    change_form_template = "admin/metering/conflict.html"

    def get_urls(self) -> list[URLPattern]:
        """Add the page on which a conflict is resolved; it is no part of Django's own transaction."""
        own = path(
            "<int:conflict_id>/resolve/",
            self.admin_site.admin_view(self.resolve_view),
            name="metering_usageconflict_resolve",
        )
        return [own, *super().get_urls()]

    def resolve_view(self, request: HttpRequest, conflict_id: int) -> HttpResponse:
        """Show both versions and ask which counts, or carry the answer out by one command."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        conflict = get_object_or_404(UsageConflict, pk=conflict_id)
        form = ResolveForm(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            try:
                resolve_conflict(
                    staff_actor_of(request),
                    conflict=conflict,
                    now=timezone.now(),
                    **form.cleaned_data,
                )
            except Conflict as refusal:
                form.add_error(None, refusal.message)
            else:
                messages.success(request, f"The conflict about {conflict} is resolved.")
                return HttpResponseRedirect(
                    reverse("admin:metering_usageconflict_changelist")
                )
        names = sorted({*(conflict.ours or {}), *conflict.theirs})
        context = self.admin_site.each_context(request) | {
            "title": f"Resolve the conflict about {conflict}",
            "form": form,
            "conflict": conflict,
            "facts": [
                (name, (conflict.ours or {}).get(name, "–"), conflict.theirs.get(name))
                for name in names
            ],
            "opts": self.model._meta,  # noqa: SLF001 - Django's own name
        }
        status = HTTPStatus.BAD_REQUEST if form.errors else HTTPStatus.OK
        return render(request, "admin/metering/resolve.html", context, status=status)
