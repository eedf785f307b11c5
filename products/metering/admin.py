"""Edges, usage and disputes in the admin: read-only, except that staff resolve disputes."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import BigIntegerField, Exists, Func, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from accounts.admin_pages import ReadOnlyAdmin
from accounts.authentication import staff_actor_of
from accounts.errors import Conflict, Invalid
from products.instants import SECOND_US
from products.metering.commands import resolve_dispute
from products.metering.models import (
    ConnectionUsage,
    DeliveryUsage,
    Edge,
    UsageDispute,
    UsagePeriod,
)
from products.metering.queries.edges import OFFLINE_AFTER
from products.services.models import Service

_HOUR_SECONDS = 3600


class _Seconds(Func):
    """An instant as whole seconds since 1970, in the SQL of each database."""

    output_field = BigIntegerField()

    def as_sqlite(self, compiler, connection, **context):  # type: ignore[no-untyped-def] # Django's
        template = "CAST(strftime('%%%%s', %(expressions)s) AS INTEGER)"
        return self.as_sql(compiler, connection, template=template, **context)

    def as_postgresql(self, compiler, connection, **context):  # type: ignore[no-untyped-def] # Django's
        template = "FLOOR(EXTRACT(EPOCH FROM %(expressions)s))::bigint"
        return self.as_sql(compiler, connection, template=template, **context)


# An account is created before its services, so this covers both.
_CREATED = Service.objects.alias(created=_Seconds("created_at")).filter(
    pk=OuterRef("service")
)


def connections_before_creation(
    rows: "QuerySet[ConnectionUsage]",
) -> "QuerySet[ConnectionUsage]":
    """Keep connections that started, to the second, before their service was created."""
    started = OuterRef("started_us") / SECOND_US
    return rows.filter(Exists(_CREATED.filter(created__gt=started)))


def delivery_before_creation(
    rows: "QuerySet[DeliveryUsage]",
) -> "QuerySet[DeliveryUsage]":
    """Keep hours of ordinary HTTP that ended before their service was created."""
    ended = _Seconds(OuterRef("hour")) + _HOUR_SECONDS
    return rows.filter(Exists(_CREATED.filter(created__gte=ended)))


class ResolveForm(forms.Form):
    """Which values count, and why."""

    keep = forms.ChoiceField(
        label="Which values to keep",
        choices=UsageDispute.Resolution.choices,
        widget=forms.RadioSelect,
    )
    reason = forms.CharField(
        label="Reason",
        help_text="Kept in the audit trail, where the account's superusers can read it.",
        widget=forms.Textarea({"rows": 3}),
    )


@admin.register(Edge)
class EdgeAdmin(ReadOnlyAdmin):
    """Every edge with its status."""

    list_display = (
        "name",
        "state",
        "engine",
        "version",
        "last_seen_at",
        "reported_at",
        "expires_at",
        "networks",
        "revision",
        "open_connections",
        "unsent",
        "clock",
        "quarantined_records",
        "log_lines_dropped",
    )
    list_filter = (("revoked_at", admin.EmptyFieldListFilter),)
    search_fields = ("name",)
    ordering = ("revoked_at", "name", "-created_at")
    exclude = ("digest", "previous_digest")

    @admin.display(description="state")
    def state(self, edge: Edge) -> str:
        """Return whether the edge is online."""
        if edge.revoked_at is not None:
            return "credential revoked"
        if edge.expires_at is not None and edge.expires_at <= timezone.now():
            return "credential expired"
        if edge.last_seen_at is None:
            return "never connected"
        is_offline = edge.last_seen_at < timezone.now() - OFFLINE_AFTER
        return "offline" if is_offline else "online"

    @admin.display(description="unsent usage (bytes)")
    def unsent(self, edge: Edge) -> str:
        """Return the bytes of unsent usage, and whether the store is read-only."""
        unsent = f"{edge.unsent_bytes:,}"
        return unsent if edge.store_is_writable else f"{unsent}, read-only"

    @admin.display(description="clock (ms)")
    def clock(self, edge: Edge) -> str:
        """Return how far the edge's clock is ahead of the portal's, and whether that is too much."""
        if edge.clock_offset_ms is None:
            return "–"
        offset = f"{edge.clock_offset_ms:+,}"
        return f"{offset}, out of sync" if edge.clock_differs else offset


class KnownFilter(admin.SimpleListFilter):
    """Filter by whether the portal knows the service, or did when the usage took place."""

    title = "service"
    parameter_name = "service_is"
    before_creation: Callable[[QuerySet], QuerySet]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the choices."""
        return [
            ("unknown", "Unknown service"),
            ("known", "Known service"),
            ("early", "Before the service was created"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        """Apply the choice."""
        known = Service.objects.values("pk")
        if self.value() == "unknown":
            return queryset.exclude(service__in=known)
        if self.value() == "known":
            return queryset.filter(service__in=known)
        if self.value() == "early":
            return type(self).before_creation(queryset)
        return queryset


class ConnectionsKnownFilter(KnownFilter):
    """Connections of services that the portal knows, or does not, or did not know yet."""

    before_creation = staticmethod(connections_before_creation)


class DeliveryKnownFilter(KnownFilter):
    """The filter for ordinary HTTP."""

    before_creation = staticmethod(delivery_before_creation)


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
    """Ordinary HTTP per service and hour."""

    list_display = (
        "service",
        "hour",
        "edge",
        "instance",
        "requests",
        "bytes_from_client",
        "bytes_to_client",
    )
    list_filter = (DeliveryKnownFilter,)
    search_fields = ("=service", "=edge", "=instance")
    ordering = ("-hour", "service")


@admin.register(UsagePeriod)
class UsagePeriodAdmin(ReadOnlyAdmin):
    """Periods per service and month; without an account if the portal does not know the service."""

    list_display = (
        "month",
        "service",
        "account_id",
        "minutes",
        "connections",
        "bytes_from_client",
        "bytes_to_client",
        "requests",
        "is_closed",
        "as_of",
        "stale_until",
    )
    list_filter = ("is_closed", ("account_id", admin.EmptyFieldListFilter))
    search_fields = ("=service", "=account_id", "=month")
    ordering = ("-month", "service")


@admin.register(UsageDispute)
class UsageDisputeAdmin(ReadOnlyAdmin):
    """Reports that could not be merged; staff resolve the open ones."""

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
    change_form_template = "admin/metering/dispute.html"

    def get_urls(self) -> list[URLPattern]:
        """Add the page that resolves a dispute; unlike Django's own it has no transaction."""
        own = path(
            "<int:dispute_id>/resolve/",
            self.admin_site.admin_view(self.resolve_view),
            name="metering_usagedispute_resolve",
        )
        return [own, *super().get_urls()]

    def resolve_view(self, request: HttpRequest, dispute_id: int) -> HttpResponse:
        """Show the recorded and the reported values; on POST resolve the dispute."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        dispute = get_object_or_404(UsageDispute, pk=dispute_id)
        form = ResolveForm(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            try:
                resolve_dispute(
                    staff_actor_of(request),
                    dispute=dispute,
                    now=timezone.now(),
                    **form.cleaned_data,
                )
            except (Conflict, Invalid) as refusal:
                form.add_error(getattr(refusal, "field", "") or None, refusal.message)
            else:
                messages.success(request, f"The dispute about {dispute} is resolved.")
                return HttpResponseRedirect(
                    reverse("admin:metering_usagedispute_changelist")
                )
        recorded = dispute.recorded or {}
        context = self.admin_site.each_context(request) | {
            "title": f"Resolve the dispute about {dispute}",
            "form": form,
            "dispute": dispute,
            "values": [
                (name, recorded.get(name, "–"), dispute.reported.get(name))
                for name in sorted({*recorded, *dispute.reported})
            ],
            "opts": self.model._meta,  # noqa: SLF001 - Django's own name
        }
        status = HTTPStatus.BAD_REQUEST if form.errors else HTTPStatus.OK
        return render(request, "admin/metering/resolve.html", context, status=status)
