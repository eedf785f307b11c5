"""The admin's pages of the audit trail: all entries to read and search, nothing to change."""

from datetime import UTC

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from accounts.admin.trail_list import TrailChangeList, TrailFilter, account_names
from accounts.admin_pages import ReadOnlyAdmin
from accounts.audit.models import AuditEvent, ChainHead, PersonalData
from accounts.audit.names import names_in
from accounts.audit.queries import (
    personal_data_of,
    repeats_of,
    row_fault,
    verify,
)
from accounts.audit.sentences import labelled_changes, sentence_of
from accounts.models import Account

# Up to this length a chain is verified when its page opens, in about half a second.
MAX_VERIFIED_ON_OPEN = 20_000


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    """The entries of all accounts."""

    list_display = ("at_second", "account", "sequence", "what_happened", "result")
    list_display_links = ("at_second",)
    list_filter = (TrailFilter,)
    sortable_by = ()
    fields = ()
    search_fields = ("pk",)  # shows the field; `find` looks for what is typed
    search_help_text = (
        "Start of a name, email, domain, ID, request ID, IP address, event or product"
    )

    @admin.display(description="when (UTC)")
    def at_second(self, event: AuditEvent) -> str:
        """Return the time, to the second."""
        return f"{event.at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"

    @admin.display(description="account")
    def account(self, event: AuditEvent) -> str:
        """Return the account's name, as a link to its page."""
        if not event.account_name:
            return event.account_id
        url = reverse("admin:accounts_account_change", args=[event.account_id])
        return format_html('<a href="{}">{}</a>', url, event.account_name)

    @admin.display(description="what happened")
    def what_happened(self, event: AuditEvent) -> str:
        """Return the entry as a sentence."""
        return event.sentence

    @admin.display(description="result")
    def result(self, event: AuditEvent) -> str:
        """Return the outcome, or that the row is not intact any more."""
        return "ALTERED" if row_fault(event) else event.outcome

    def get_changelist(
        self, request: HttpRequest, **kwargs: object
    ) -> type[ChangeList]:
        """Return the list that does not count its rows."""
        return TrailChangeList

    def get_search_results(
        self,
        request: HttpRequest,
        queryset: QuerySet[AuditEvent],
        search_term: str,
    ) -> tuple[QuerySet[AuditEvent], bool]:
        """Return all entries: the list itself finds what is searched for."""
        return queryset, False

    def row_context(self, request: HttpRequest, row: AuditEvent) -> dict[str, object]:
        """Return an entry in full: changes, source and chain."""
        return _facts(row)


@admin.register(ChainHead)
class ChainHeadAdmin(ReadOnlyAdmin):
    """The chains of all accounts, with their verification."""

    list_display = ("account_id", "account", "sequence", "at", "event_hash")
    ordering = ("account_id",)
    fields = ()
    search_fields = ("account_id",)
    search_help_text = "Start of the account's name or ID"

    @admin.display(description="account")
    def account(self, head: ChainHead) -> str:
        """Return the account's name."""
        return getattr(head, "account_name", None) or "–"

    def get_queryset(self, request: HttpRequest) -> QuerySet[ChainHead]:
        """Return the chains with the names of their accounts."""
        named = Account.objects.filter(pk=OuterRef("account_id")).values("name")
        heads: QuerySet[ChainHead] = super().get_queryset(request)
        return heads.annotate(account_name=Subquery(named))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[ChainHead], search_term: str
    ) -> tuple[QuerySet[ChainHead], bool]:
        """Return the chains whose account's id or name starts with the term."""
        term = search_term.strip()
        if not term:
            return queryset, False
        found = Q(account_id__istartswith=term) | Q(account_name__istartswith=term)
        return queryset.filter(found), False

    def row_context(self, request: HttpRequest, row: ChainHead) -> dict[str, object]:
        """Verify the chain if it is short, or if requested."""
        is_wanted = row.sequence <= MAX_VERIFIED_ON_OPEN or "verify" in request.GET
        name = getattr(row, "account_name", None) or row.account_id
        return {
            "title": f"Chain of {name}",
            "account_name": name,
            "subtitle": None,
            "verification": verify(row.account_id) if is_wanted else None,
        }


def _facts(event: AuditEvent) -> dict[str, object]:
    personal = personal_data_of(event)
    account = account_names([event]).get(event.account_id, event.account_id)
    names = names_in([event])
    return {
        "title": f"Entry {event.sequence:,} of {account}",
        "account_name": account,
        "sentence": sentence_of(event, names),
        "service_name": names.services.get(event.service_id, ""),
        "product_name": names.products.get(event.product, event.product),
        "subtitle": None,
        "body": event.body,
        "changes": labelled_changes(event, names),
        "personal": [
            (PersonalData.Kind(kind).label, value) for kind, value in personal.items()
        ],
        "fault": row_fault(event),
        "repeats": repeats_of(event),
    }
