"""The admin's pages of the audit trail: all entries to read and search, nothing to change."""

from datetime import UTC

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from accounts.admin_pages import ReadOnlyAdmin
from accounts.audit.admin_list import TrailChangeList, TrailFilter
from accounts.audit.cursor import matching
from accounts.audit.models import AuditEvent, ChainHead, PersonalData
from accounts.audit.queries import (
    personal_data_of,
    row_fault,
    target_matches,
    verify,
)

# Up to this length a chain is verified when its page opens, in about half a second.
MAX_VERIFIED_ON_OPEN = 20_000


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    """The entries of all accounts."""

    list_display = (
        "at_second", "account_id", "sequence", "who", "did", "target", "product", "outcome",
        "chain_state",
    )  # fmt: skip
    list_display_links = ("at_second",)
    list_filter = (TrailFilter,)
    list_per_page = 50
    sortable_by = ()
    fields = ()
    search_fields = (
        "account_id", "actor_id", "actor_label", "target_id", "target_label", "service_id",
        "request_id",
    )  # fmt: skip

    @admin.display(description="when (UTC)")
    def at_second(self, event: AuditEvent) -> str:
        """Return the time, to the second."""
        return event.at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")

    @admin.display(description="who")
    def who(self, event: AuditEvent) -> str:
        """Return the actor's label and type."""
        return f"{event.actor_label or event.actor_id} ({event.actor_type})"

    @admin.display(description="did")
    def did(self, event: AuditEvent) -> str:
        """Return the event's description."""
        return event.description

    @admin.display(description="target")
    def target(self, event: AuditEvent) -> str:
        """Return the target's type and label."""
        return f"{event.target_type} {event.target_label or event.target_id}"

    @admin.display(description="chain")
    def chain_state(self, event: AuditEvent) -> str:
        """Return whether the row is intact."""
        return "ALTERED" if row_fault(event) else "intact"

    def get_changelist(
        self, request: HttpRequest, **kwargs: object
    ) -> type[ChangeList]:
        """Return the list that does not count its rows."""
        return TrailChangeList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[AuditEvent], search_term: str
    ) -> tuple[QuerySet[AuditEvent], bool]:
        """Return the entries with exactly this term in a searched column; each has an index."""
        term = search_term.strip()
        if not term:
            return queryset, False
        found = matching(queryset, self.search_fields, term)
        if "/" in term:  # a version or a part, which older entries name in another way
            found |= queryset.filter(target_matches(term))
        return found, False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, object] | None = None
    ) -> HttpResponse:
        """Show the list with its own title."""
        return super().changelist_view(
            request, (extra_context or {}) | {"title": "Events"}
        )

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, object] | None = None,
    ) -> HttpResponse:
        """Show one entry in full: changes, source and chain."""
        event = self.get_object(request, object_id)
        facts = {} if event is None else _facts(event)
        return super().change_view(
            request, object_id, form_url, (extra_context or {}) | facts
        )


@admin.register(ChainHead)
class ChainHeadAdmin(ReadOnlyAdmin):
    """The chains of all accounts, with their verification."""

    list_display = ("account_id", "sequence", "at", "event_hash")
    ordering = ("account_id",)
    fields = ()
    search_fields = ("account_id",)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[ChainHead], search_term: str
    ) -> tuple[QuerySet[ChainHead], bool]:
        """Return the chains whose account id starts with the term."""
        return queryset.filter(account_id__startswith=search_term.strip()), False

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, object] | None = None,
    ) -> HttpResponse:
        """Show a chain's head; verify the chain if it is short, or if requested."""
        head = self.get_object(request, object_id)
        wanted = head is not None and (
            head.sequence <= MAX_VERIFIED_ON_OPEN or "verify" in request.GET
        )
        facts = {
            "title": f"Chain of {object_id}",
            "subtitle": None,
            "verification": verify(head.account_id)
            if head is not None and wanted
            else None,
        }
        return super().change_view(
            request, object_id, form_url, (extra_context or {}) | facts
        )


def _facts(event: AuditEvent) -> dict[str, object]:
    personal = personal_data_of(event)
    return {
        "title": f"Event {event.sequence} of {event.account_id}",
        "subtitle": None,
        "body": event.body,
        "changes": event.changes,
        "personal": [
            (PersonalData.Kind(kind).label, value) for kind, value in personal.items()
        ],
        "fault": row_fault(event),
    }
