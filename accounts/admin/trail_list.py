"""The admin's list of entries: its filters and its pages."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.db.models.expressions import Combinable
from django.http import HttpRequest

from accounts.audit.cursor import InvalidCursor, PageCursor, cursor_page, matching
from accounts.audit.models import AuditEvent, ChainHead, SearchTerm
from accounts.audit.names import names_in
from accounts.audit.queries import Filters, narrowed
from accounts.audit.search_terms import fold
from accounts.audit.sentences import sentence_of
from accounts.audit.vocabulary import DESCRIPTIONS
from accounts.models import Account
from accounts.trail_form import TrailForm, grouped_events
from accounts.trail_search import find

OLDER, NEWER = "older", "newer"


class FilterForm(TrailForm):
    """The filters of the list; values match exactly, so that an index can be used."""

    account = forms.CharField(required=False, label="Account (ID)", max_length=22)
    actor = forms.CharField(required=False, label="Who (ID or name)", max_length=255)
    product = forms.CharField(required=False, label="Product (name)", max_length=64)
    service = forms.CharField(required=False, label="Service (ID)", max_length=22)
    # Links set it: an id such as that of an invoice is unique in its type only.
    target_type = forms.CharField(
        required=False, max_length=64, widget=forms.HiddenInput
    )
    target = forms.CharField(required=False, label="Target (ID)", max_length=320)
    field_order = ("account", "actor", "action", "product", "service", "target")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        action = self.fields["action"]
        assert isinstance(action, forms.ChoiceField)  # noqa: S101 - for the type alone
        action.choices = [("", "Anything"), *grouped_events(DESCRIPTIONS, {})]

    def filters(self) -> Filters:
        """Return the filters that Activity has too; call it when the form is valid."""
        chosen = self.cleaned_data
        return replace(
            super().filters(),
            service_id=chosen["service"],
            target_type=chosen["target_type"],
            target_id=chosen["target"],
        )

    def narrowed(self, events: QuerySet[AuditEvent]) -> QuerySet[AuditEvent]:
        """Return the filtered entries; none if the form is not valid."""
        if not self.is_valid():
            return events.none()
        chosen = self.cleaned_data
        events = narrowed(events, self.filters())
        if chosen["account"]:
            events = events.filter(account_id=chosen["account"])
        if chosen["product"]:
            events = events.filter(product__in=_products_named(chosen["product"]))
        if chosen["actor"]:
            events = matching(events, ("actor_id", "actor_label"), chosen["actor"])
        return events


def _products_named(typed: str) -> list[str]:
    """Return the slugs of the products with a name or slug, in any case."""
    named = SearchTerm.objects.filter(column="product", folded=fold(typed))
    return list(named.values_list("value", flat=True).distinct())


def account_names(events: Iterable[AuditEvent]) -> Mapping[str, str]:
    """Return the names of the accounts whose entries these are, by id. One query."""
    ids = {event.account_id for event in events}
    return dict(Account.objects.filter(pk__in=ids).values_list("pk", "name"))


class TrailFilter(admin.ListFilter):
    """One form beside the list, instead of lists of links; it makes no query."""

    title = "what happened"
    template = "admin/audit/auditevent/filter.html"

    def __init__(
        self,
        request: HttpRequest,
        params: dict[str, list[str]],
        model: type[Model],
        model_admin: "admin.ModelAdmin[AuditEvent]",
    ) -> None:
        super().__init__(request, params, model, model_admin)
        sent = {
            name: params.pop(name)[-1]
            for name in FilterForm.base_fields
            if name in params
        }
        self.form = FilterForm(sent, auto_id="trail-%s")

    def has_output(self) -> bool:
        """Return True: the form is always shown."""
        return True

    def expected_parameters(self) -> list[str | None]:
        """Return the names of the form's fields."""
        return list(FilterForm.base_fields)

    def choices(self, changelist: ChangeList) -> Iterator[dict[str, object]]:
        """Yield the form and the URL's other parameters for the template."""
        others = {
            name: value
            for name, value in changelist.params.items()
            if name not in FilterForm.base_fields
        }
        yield {"form": self.form, "others": others}

    def queryset(
        self,
        request: HttpRequest,
        queryset: QuerySet[AuditEvent],
    ) -> QuerySet[AuditEvent]:
        """Return the filtered list."""
        return self.form.narrowed(queryset)


class TrailChangeList(ChangeList):
    """A list without a count, newest first, paged by cursor."""

    older_link = newer_link = ""
    chain: ChainHead | None = None
    account: Account | None = None
    has_more_matches = False

    def get_queryset(
        self, request: HttpRequest, exclude_parameters: list[str | None] | None = None
    ) -> QuerySet[AuditEvent]:
        """Remove the cursors from the parameters before Django reads the rest as filters."""
        self.cursors = {
            name: self.params.pop(name)
            for name in (OLDER, NEWER)
            if name in self.params
        }
        for name in self.cursors:
            self.filter_params.pop(name)
        return super().get_queryset(request, exclude_parameters)

    def get_ordering(
        self,
        request: HttpRequest,
        queryset: QuerySet[AuditEvent],
    ) -> list[str | Combinable]:
        """Return the only order for which there are indexes."""
        return ["-at", "-id"]

    def get_results(self, request: HttpRequest) -> None:
        """Read one page, and whether there are older and newer ones."""
        try:
            cursors = {
                name: PageCursor.parse(text) for name, text in self.cursors.items()
            }
        except InvalidCursor as error:
            raise IncorrectLookupParameters from error
        found = find(self.query)
        self.has_more_matches = found.has_more
        events = self.queryset
        if self.query.strip() and not found.conditions:
            events = events.none()
        page = cursor_page(
            events, any_of=found.conditions, size=self.list_per_page, **cursors
        )
        self.result_list = list(page.events)
        accounts, names = account_names(page.events), names_in(page.events)
        for event in page.events:
            event.account_name = accounts.get(event.account_id, "")
            event.sentence = str(sentence_of(event, names))
        self.result_count = self.full_result_count = len(page.events)
        self.show_full_result_count = self.can_show_all = self.multi_page = False
        self.show_admin_actions = False
        self.paginator = Paginator(self.result_list, self.list_per_page)
        self.older_link = self._link(OLDER, page.older)
        self.newer_link = self._link(NEWER, page.newer)
        if self.params.get("account"):
            self.chain = ChainHead.objects.filter(pk=self.params["account"]).first()
            self.account = Account.objects.filter(pk=self.params["account"]).first()

    def _link(self, side: str, cursor: PageCursor | None) -> str:
        return self.get_query_string({side: str(cursor)}) if cursor else ""
