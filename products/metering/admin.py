"""Edges, usage and disputes in the admin: read-only, except that staff resolve disputes."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, reduce
from operator import or_
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import (
    Exists,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
)
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import localize
from django.utils.html import format_html

from accounts.admin_pages import (
    NOTHING,
    ReadOnlyAdmin,
    ReasonForm,
    row_or_404,
    set_filter,
    yes_no_filter,
)
from products.instants import SECOND_US, instant_of
from products.metering.commands import resolve_dispute
from products.metering.models import (
    ConnectionUsage,
    DeliveryUsage,
    Edge,
    UsageDispute,
    UsagePeriod,
)
from products.metering.queries.edges import OFFLINE_AFTER
from products.metering.queries.usage import WholeSeconds
from products.services.models import Service
from products.units import bytes_in_words, duration_in_words

_HOUR_SECONDS = 3600
_MONTH = re.compile(r"[0-9]{4}-[0-9]{2}")


# An account is created before its services, so this covers both.
_CREATED = Service.objects.alias(created=WholeSeconds("created_at")).filter(
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
    ended = WholeSeconds(OuterRef("hour")) + _HOUR_SECONDS
    return rows.filter(Exists(_CREATED.filter(created__gte=ended)))


class ResolveForm(ReasonForm):
    """Which values count, and why."""

    keep = forms.ChoiceField(
        label="Which values to keep",
        choices=UsageDispute.Resolution.choices,
        widget=forms.RadioSelect,
    )
    field_order = ("keep", "reason")


@dataclass(frozen=True, slots=True)
class DisputedValue:
    """One value of a disputed record as people read it; "–" if nothing is recorded."""

    label: str
    recorded: str
    reported: str

    @property
    def differs(self) -> bool:
        """Tell whether the report contradicts what is recorded."""
        return self.recorded != self.reported


_VALUE_LABELS = {
    "connection_id": "Connection",
    "started_us": "Started",
    "duration_us": "Duration",
    "bytes_from_client": "Bytes from the client",
    "bytes_to_client": "Bytes to the client",
    "final": "Final report",
}


def dispute_values(dispute: UsageDispute) -> list[DisputedValue]:
    """Return the values of a disputed record, recorded and reported."""
    recorded = dispute.recorded or {}
    return [
        DisputedValue(
            _VALUE_LABELS.get(name, name.replace("_", " ").capitalize()),
            _value_in_words(name, recorded.get(name)),
            _value_in_words(name, dispute.reported.get(name)),
        )
        for name in sorted({*recorded, *dispute.reported})
    ]


def _compared(dispute: UsageDispute) -> dict[str, object]:
    """Return the values for templates: those that differ, and the others."""
    values = dispute_values(dispute)
    return {
        "differing": [each for each in values if each.differs],
        "equal": [each for each in values if not each.differs],
    }


def _value_in_words(name: str, value: Any) -> str:
    """Return a value with its unit; the exact number stays visible, because it may be the dispute."""
    if value is None or isinstance(value, bool):
        return {None: "–", True: "yes", False: "no"}[value]
    if name == "started_us":
        return f"{instant_of(value):%Y-%m-%d %H:%M:%S.%f} UTC"
    if name == "duration_us":
        return f"{duration_in_words(value / SECOND_US)} ({value / SECOND_US:,.6f} s)"
    if name.startswith("bytes_"):
        return f"{bytes_in_words(value)} ({value:,} bytes)"
    return f"{value:,}" if isinstance(value, int) else str(value)


@admin.register(Edge)
class EdgeAdmin(ReadOnlyAdmin):
    """Every edge with its status."""

    trail_type = "edge"
    change_form_template = "admin/metering/edge.html"
    list_display = (
        *("name", "state", "program", "last_seen_at", "open_connections"),
        *("unsent", "clock", "quarantined_records"),
    )
    list_filter = (
        ("revoked_at", set_filter("credential", unset="Valid", filled="Revoked")),
    )
    search_fields = ("name",)
    search_help_text = "A part of the name"
    ordering = ("revoked_at", "name", "-created_at")
    fields = (
        *("id", "name", "state", "program", "created_at", "last_seen_at", "asked_at"),
        *("reported_at", "revision", "open_connections", "unsent", "clock"),
        *("rejected_connections", "quarantined_records", "log_lines_dropped"),
        *("expires_at", "previous_until", "networks", "revoked_at"),
    )
    readonly_fields = ("state", "program", "unsent", "clock")

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

    @admin.display(description="program")
    def program(self, edge: Edge) -> str:
        """Return the engine and its version."""
        return f"{edge.engine} {edge.version}".strip() or "–"

    @admin.display(description="unsent usage")
    def unsent(self, edge: Edge) -> str:
        """Return how much usage is unsent, and whether the store is read-only."""
        unsent = bytes_in_words(edge.unsent_bytes)
        return unsent if edge.store_is_writable else f"{unsent}, read-only"

    @admin.display(description="clock ahead by")
    def clock(self, edge: Edge) -> str:
        """Return how far the edge's clock is ahead of the portal's, and whether that is too much."""
        if edge.clock_offset_ms is None:
            return "–"
        offset = f"{edge.clock_offset_ms:+,} ms"
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


class UsageAdmin(ReadOnlyAdmin):
    """Usage of a service, whose name is shown beside its id; amounts have their units."""

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """Return the rows with the names of their services and accounts."""
        service = Service.objects.filter(pk=OuterRef("service"))
        rows: QuerySet = super().get_queryset(request)
        named: QuerySet = rows.annotate(
            service_name=Subquery(service.values("name")),
            account_name=Subquery(service.values("account__name")),
            account_key=Subquery(service.values("account")),
        )
        return named

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet, search_term: str
    ) -> tuple[QuerySet, bool]:
        """Return the rows that have each word in one of the fields, and the month if it is one.

        Django's search for a whole value ignores case, so it reads all records.
        """
        for word in search_term.split():
            if _MONTH.fullmatch(word) and "month" in self.list_display:
                queryset = queryset.filter(month=word)
            else:
                conditions = (Q(**{name: word}) for name in self.search_fields)
                queryset = queryset.filter(reduce(or_, conditions))
        return queryset, False

    def trail_filter(self, row: Any) -> dict[str, str]:
        """Return the filter for the entries of the service."""
        return {"service": row.service}

    def row_context(self, request: HttpRequest, row: Any) -> dict[str, object]:
        """Name the row by its service, where its own name has the id."""
        name = row.service_name or row.service
        return {"subtitle": str(row).replace(row.service, name)}

    @admin.display(description="service", ordering="service")
    def named_service(self, row: Any) -> str:
        """Return the service's name and id."""
        if row.service_name is None:
            return f"unknown ({row.service})"
        url = reverse("admin:services_service_change", args=[row.service])
        return format_html(
            '<a href="{}">{}</a> ({})', url, row.service_name, row.service
        )

    @admin.display(description="account")
    def named_account(self, row: Any) -> str:
        """Return the account's name, as a link to its page."""
        if row.account_name is None:
            return NOTHING
        url = reverse("admin:accounts_account_change", args=[row.account_key])
        return format_html('<a href="{}">{}</a>', url, row.account_name)

    @admin.display(description="from clients")
    def from_clients(self, row: Any) -> str:
        """Return the bytes from clients."""
        return bytes_in_words(row.bytes_from_client)

    @admin.display(description="to clients")
    def to_clients(self, row: Any) -> str:
        """Return the bytes to clients."""
        return bytes_in_words(row.bytes_to_client)


@admin.register(ConnectionUsage)
class ConnectionUsageAdmin(UsageAdmin):
    """Every connection in every month."""

    list_display = (
        *("connection_id", "month", "named_service", "named_account", "edge"),
        *("started", "duration", "from_clients", "to_clients", "state"),
    )
    list_filter = (
        ("final", yes_no_filter("state", yes="Closed", no="Open or presumed closed")),
        ("clock_differs", yes_no_filter("clock", yes="Out of sync", no="In sync")),
        (
            "presumed_closed_at",
            set_filter("end", unset="Reported or open", filled="Presumed"),
        ),
        ConnectionsKnownFilter,
    )
    search_fields = ("connection_id", "service")
    search_help_text = "Connection or service, or month (2026-11), or both; in full"
    ordering = ("-pk",)
    fields = readonly_fields = (*list_display, "clock_differs", "last_reported_at")

    @admin.display(description="started")
    def started(self, row: ConnectionUsage) -> str:
        """Return when the connection started; Django formats times only in lists."""
        return str(localize(row.started_at))

    @admin.display(description="duration")
    def duration(self, row: ConnectionUsage) -> str:
        """Return how long the connection has lasted."""
        return duration_in_words(row.duration_us / SECOND_US)

    @admin.display(description="state")
    def state(self, row: ConnectionUsage) -> str:
        """Return whether the connection is open."""
        if row.final:
            return "closed"
        return "presumed closed" if row.presumed_closed_at else "open"


@admin.register(DeliveryUsage)
class DeliveryUsageAdmin(UsageAdmin):
    """Ordinary HTTP per service and hour."""

    list_display = (
        *("hour", "named_service", "named_account", "edge", "instance"),
        *("requests", "from_clients", "to_clients"),
    )
    list_filter = (DeliveryKnownFilter,)
    search_fields = ("service", "edge", "instance")
    search_help_text = "Service, edge or instance, in full"
    ordering = ("-hour", "service")
    fields = readonly_fields = list_display


@admin.register(UsagePeriod)
class UsagePeriodAdmin(UsageAdmin):
    """Periods per service and month; without an account if the portal does not know the service."""

    list_display = (
        *("month", "named_service", "named_account", "minutes", "connections"),
        *("from_clients", "to_clients", "requests", "is_closed", "as_of"),
    )
    list_filter = (
        ("is_closed", yes_no_filter("state", yes="Closed", no="Open")),
        ("account_id", set_filter("account", unset="Unknown", filled="Known")),
    )
    search_fields = ("service", "account_id")
    search_help_text = "Service or account, or month (2026-11), or both; in full"
    ordering = ("-month", "service")
    fields = readonly_fields = (
        *list_display,
        *("http_from_clients", "http_to_clients", "stale_until", "digest"),
        "records_deleted_at",
    )

    @admin.display(description="ordinary HTTP from clients")
    def http_from_clients(self, row: UsagePeriod) -> str:
        """Return the bytes of ordinary HTTP from clients."""
        return bytes_in_words(row.delivery_bytes_from_client)

    @admin.display(description="ordinary HTTP to clients")
    def http_to_clients(self, row: UsagePeriod) -> str:
        """Return the bytes of ordinary HTTP to clients."""
        return bytes_in_words(row.delivery_bytes_to_client)


@admin.register(UsageDispute)
class UsageDisputeAdmin(UsageAdmin):
    """Reports that could not be merged; staff resolve the open ones."""

    trail_type = "dispute"
    list_display = (
        *("record_id", "month", "named_service", "named_account", "edge"),
        *("reason", "found_at", "resolution", "resolved_by"),
    )
    fields = readonly_fields = (
        *list_display,
        *("kind", "last_found_at", "resolved_at", "resolution_reason"),
    )
    list_filter = (
        ("resolved_at", set_filter("state", unset="Open", filled="Resolved")),
        "reason",
        "kind",
    )
    search_fields = ("record_id", "service", "account_id")
    search_help_text = (
        "Record, service or account, or month (2026-11), or both; in full"
    )
    ordering = ("-found_at", "-pk")
    change_form_template = "admin/metering/dispute.html"
    own_pages = (
        ("<int:dispute_id>/resolve/", "resolve_view", "metering_usagedispute_resolve"),
    )

    def row_context(self, request: HttpRequest, row: UsageDispute) -> dict[str, object]:
        """Return the recorded and the reported values, too."""
        return {**super().row_context(request, row), **_compared(row)}

    def resolve_view(self, request: HttpRequest, dispute_id: int) -> HttpResponse:
        """Show the recorded and the reported values; on POST resolve the dispute."""
        dispute = row_or_404(self.get_queryset(request), dispute_id)
        return self.command_form_view(
            request,
            ResolveForm(request.POST if request.method == "POST" else None),
            partial(resolve_dispute, dispute=dispute),
            title=f"Resolve the dispute about {dispute}",
            button="Resolve",
            done=lambda _: f"The dispute about {dispute} is resolved.",
            template="admin/metering/resolve.html",
            context={
                "dispute": dispute,
                "service": self.named_service(dispute),
                "account": self.named_account(dispute),
                **_compared(dispute),
            },
        )
