"""The trail for the platform's admins: every account's events to read and search, nothing to change."""

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

# Verified on sight: about half a second. A longer chain is verified when asked for.
VERIFIED_ON_SIGHT = 20_000


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    """All accounts' events."""

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
        """Say when, to the second."""
        return event.at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")

    @admin.display(description="who")
    def who(self, event: AuditEvent) -> str:
        """Name the actor and its kind."""
        return f"{event.actor_label or event.actor_id} ({event.actor_type})"

    @admin.display(description="did")
    def did(self, event: AuditEvent) -> str:
        """Say what happened, in words."""
        return event.description

    @admin.display(description="to what")
    def target(self, event: AuditEvent) -> str:
        """Name the target and its kind."""
        return f"{event.target_type} {event.target_label or event.target_id}"

    @admin.display(description="chain")
    def chain_state(self, event: AuditEvent) -> str:
        """Say whether the row is what was written."""
        return "ALTERED" if row_fault(event) else "as written"

    def get_changelist(
        self, request: HttpRequest, **kwargs: object
    ) -> type[ChangeList]:
        """Use the list that does not count."""
        return TrailChangeList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[AuditEvent], search_term: str
    ) -> tuple[QuerySet[AuditEvent], bool]:
        """Find the term as it stands in any searched column: an index answers each."""
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
        """Show the list under a title of its own."""
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
        """Show one event whole: before and after, where it came from, its place in the chain."""
        event = self.get_object(request, object_id)
        facts = {} if event is None else _facts(event)
        return super().change_view(
            request, object_id, form_url, (extra_context or {}) | facts
        )


@admin.register(ChainHead)
class ChainHeadAdmin(ReadOnlyAdmin):
    """Every chain, and whether it is sound."""

    list_display = ("account_id", "sequence", "at", "event_hash")
    ordering = ("account_id",)
    fields = ()
    search_fields = ("account_id",)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[ChainHead], search_term: str
    ) -> tuple[QuerySet[ChainHead], bool]:
        """Find chains by the beginning of the account's id."""
        return queryset.filter(account_id__startswith=search_term.strip()), False

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, object] | None = None,
    ) -> HttpResponse:
        """Show a chain's head, and verify the chain where it is short or where that is asked for."""
        head = self.get_object(request, object_id)
        wanted = head is not None and (
            head.sequence <= VERIFIED_ON_SIGHT or "verify" in request.GET
        )
        facts = {
            "title": f"Chain of {object_id}",
            "subtitle": None,
            "verdict": verify(head.account_id) if head is not None and wanted else None,
        }
        return super().change_view(
            request, object_id, form_url, (extra_context or {}) | facts
        )


def _facts(event: AuditEvent) -> dict[str, object]:
    held = personal_data_of(event)
    return {
        "title": f"Event {event.sequence} of {event.account_id}",
        "subtitle": None,
        "body": event.body,
        "changes": event.changes,
        "personal": [
            (PersonalData.Kind(kind).label, value) for kind, value in held.items()
        ],
        "fault": row_fault(event),
    }
