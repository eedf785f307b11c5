"""The list of all accounts' events: what it can be narrowed to, and how its pages turn."""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta

from django import forms
from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.db.models.expressions import Combinable
from django.http import HttpRequest

from accounts.actor import Interface
from accounts.audit.cursor import InvalidCursor, PageCursor, cursor_page, matching
from accounts.audit.models import AuditEvent, ChainHead
from accounts.audit.vocabulary import DESCRIPTIONS, Outcome

OLDER, NEWER = "older", "newer"
ANY = ("", "any")


class FilterForm(forms.Form):
    """What the list can be narrowed to; words are exact, so that an index answers."""

    account = forms.CharField(required=False, label="Account (id)", max_length=22)
    action = forms.ChoiceField(
        required=False, choices=[ANY, *((name, name) for name in sorted(DESCRIPTIONS))]
    )
    actor = forms.CharField(required=False, label="Actor (id or name)", max_length=255)
    product = forms.CharField(required=False, max_length=64)
    service = forms.CharField(required=False, label="Service (id)", max_length=22)
    outcome = forms.ChoiceField(
        required=False, choices=[ANY, *((o, o) for o in Outcome)]
    )
    interface = forms.ChoiceField(
        required=False, choices=[ANY, *((i, i) for i in Interface)]
    )
    since = forms.DateField(
        required=False,
        label="From day (UTC)",
        widget=forms.DateInput(attrs={"type": "date"}),
    )
    until = forms.DateField(
        required=False,
        label="To day (UTC)",
        widget=forms.DateInput(attrs={"type": "date"}),
    )

    def narrowed(self, events: QuerySet[AuditEvent]) -> QuerySet[AuditEvent]:
        """Return the events that the form asks for; none where it cannot be read."""
        if not self.is_valid():
            return events.none()
        asked = self.cleaned_data
        columns = {
            "account_id": asked["account"],
            "action": asked["action"],
            "product": asked["product"],
            "service_id": asked["service"],
            "outcome": asked["outcome"],
            "interface": asked["interface"],
        }
        events = events.filter(
            **{name: value for name, value in columns.items() if value}
        )
        if asked["actor"]:
            events = matching(events, ("actor_id", "actor_label"), asked["actor"])
        if asked["since"]:
            events = events.filter(
                at__gte=datetime.combine(asked["since"], time.min, UTC)
            )
        if asked["until"]:
            end = datetime.combine(asked["until"], time.min, UTC) + timedelta(days=1)
            events = events.filter(at__lt=end)
        return events


class TrailFilter(admin.ListFilter):
    """One form beside the list in place of a list of links; it asks the database nothing."""

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
        asked = {
            name: params.pop(name)[-1]
            for name in FilterForm.base_fields
            if name in params
        }
        self.form = FilterForm(asked, auto_id="trail-%s")

    def has_output(self) -> bool:
        """Show the form always."""
        return True

    def expected_parameters(self) -> list[str | None]:
        """Name what the form sends."""
        return list(FilterForm.base_fields)

    def choices(self, changelist: ChangeList) -> Iterator[dict[str, object]]:
        """Give the form, and what else the address holds, to the template."""
        others = {
            name: value
            for name, value in changelist.params.items()
            if name not in FilterForm.base_fields
        }
        yield {"form": self.form, "others": others}

    def queryset(
        self,
        request: HttpRequest,  # noqa: ARG002 - Django's signature
        queryset: QuerySet[AuditEvent],
    ) -> QuerySet[AuditEvent]:
        """Narrow the list."""
        return self.form.narrowed(queryset)


class TrailChangeList(ChangeList):
    """A list that never counts, always runs newest first, and turns pages by place."""

    older_link = newer_link = ""
    chain: ChainHead | None = None

    def get_queryset(
        self, request: HttpRequest, exclude_parameters: list[str | None] | None = None
    ) -> QuerySet[AuditEvent]:
        """Take the place out of the address before the rest is read as filters."""
        self.places = {
            name: self.params.pop(name)
            for name in (OLDER, NEWER)
            if name in self.params
        }
        for name in self.places:
            self.filter_params.pop(name)
        return super().get_queryset(request, exclude_parameters)

    def get_ordering(
        self,
        request: HttpRequest,  # noqa: ARG002 - Django's signature
        queryset: QuerySet[AuditEvent],  # noqa: ARG002
    ) -> list[str | Combinable]:
        """Return the one order that the indexes serve, whatever the address asks."""
        return ["-at", "-id"]

    def get_results(self, request: HttpRequest) -> None:  # noqa: ARG002
        """Fetch one page, and see whether there is more on either side of it."""
        try:
            places = {
                name: PageCursor.parse(text) for name, text in self.places.items()
            }
        except InvalidCursor as error:
            raise IncorrectLookupParameters from error
        page = cursor_page(self.queryset, size=self.list_per_page, **places)
        self.result_list = list(page.events)
        self.result_count = self.full_result_count = len(page.events)
        self.show_full_result_count = self.can_show_all = self.multi_page = False
        self.show_admin_actions = False
        self.paginator = Paginator(self.result_list, self.list_per_page)
        self.older_link = self._link(OLDER, page.older)
        self.newer_link = self._link(NEWER, page.newer)
        if self.params.get("account"):
            self.chain = ChainHead.objects.filter(pk=self.params["account"]).first()

    def _link(self, side: str, place: PageCursor | None) -> str:
        return self.get_query_string({side: str(place)}) if place else ""
