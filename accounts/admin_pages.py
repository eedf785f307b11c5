"""Base class of the admin's pages: they only read, and their forms call one command."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, TypeVar
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.filters import FieldListFilter
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import BooleanField, IntegerField, Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.text import capfirst

from accounts.authentication import staff_actor_of
from accounts.errors import Conflict, Invalid, NotFound
from accounts.models import Account

RowT = TypeVar("RowT", bound=Model)


class ReasonForm(forms.Form):
    """The reason for a change by staff."""

    reason = forms.CharField(
        label="Reason",
        help_text="The account's members can read it. It is kept in the audit trail.",
        widget=forms.Textarea({"rows": 3}),
    )


NOTHING = "–"  # in place of a value that is not set


def _words_of(value: Any) -> str:
    """Return a boolean as a word: an icon's colour would say that one of them is wrong."""
    return {None: NOTHING, True: "yes", False: "no"}[value]


def _figure_of(value: int | None) -> str:
    """Return a number with separators."""
    return NOTHING if value is None else f"{value:,}"


def account_link(account: Account | None) -> str:
    """Return an account's name, as a link to its page."""
    if account is None:
        return NOTHING
    return format_html('<a href="{}">{}</a>', admin_url(account), account.name)


def _text_of(field: Any) -> Callable[[Any], str] | None:
    """Return what makes the text of a field's value; None if Django's own is right."""
    if field.choices or field.primary_key:
        return None
    if isinstance(field, BooleanField):
        return _words_of
    if isinstance(field, IntegerField):
        return _figure_of
    if field.is_relation and field.related_model is Account:
        return account_link
    return None


@cache
def _column_of(field: Any) -> Callable[[Model], str] | None:
    """Return the column of a field; always the same, since Django compares columns."""
    text = _text_of(field)
    if text is None:
        return None

    @admin.display(description=field.verbose_name, ordering=field.name)
    def column(row: Model) -> str:
        return text(getattr(row, field.name))

    column.__name__ = field.name
    return column


def readable_columns(
    names: Sequence[Any], model: type[Model], owner: object
) -> tuple[Any, ...]:
    """Return the columns of a list or the fields of a row as people read them.

    A name stays if it is a method of `owner`, or if Django shows its field well.
    """
    fields = {field.name: field for field in model._meta.fields}  # noqa: SLF001 - Django's own name
    return tuple(
        (name in fields and not hasattr(owner, name) and _column_of(fields[name]))
        or name
        for name in names
    )


class _InWords:
    """What gives a filter of a list a title and the words of its choices."""

    own_title = ""
    words: tuple[str, str, str]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.title = self.own_title

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        choices: Iterator[Any] = super().choices(changelist)  # type: ignore[misc]  # a filter's
        for choice, word in zip(choices, self.words, strict=True):
            yield {**choice, "display": word}


def set_filter(title: str, *, unset: str, filled: str) -> type[FieldListFilter]:
    """Return a filter by whether a column has a value, with the words for both."""
    given = {"own_title": title, "words": ("All", unset, filled)}
    return type("SetFilter", (_InWords, admin.EmptyFieldListFilter), given)


def yes_no_filter(title: str, *, yes: str, no: str) -> type[FieldListFilter]:
    """Return a filter by a boolean column, with the words for both."""
    given = {"own_title": title, "words": ("All", yes, no)}
    return type("YesNoFilter", (_InWords, admin.BooleanFieldListFilter), given)


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not subscriptable at run time
    """Lets staff read. No one can add, change or delete, not even a Django superuser."""

    # The type of the entries' target if entries are about single rows; else those of the row's
    # account, service and product are shown.
    trail_type = ""
    # The pages beside Django's own: the route, the name of the method, and the name of the URL.
    own_pages: tuple[tuple[str, str, str], ...] = ()
    actions = None
    list_per_page = 50
    show_facets = admin.ShowFacets.NEVER
    show_full_result_count = False
    empty_value_display = NOTHING

    def get_urls(self) -> list[URLPattern]:
        """Return the URLs of the model's own pages, then Django's."""
        own = [
            path(route, self.admin_site.admin_view(getattr(self, view)), name=name)
            for route, view, name in self.own_pages
        ]
        return [*own, *super().get_urls()]

    def get_list_display(self, request: HttpRequest) -> Any:
        """Return the columns, with words for booleans and links to accounts."""
        return readable_columns(self.list_display, self.model, self)

    def get_list_display_links(self, request: HttpRequest, list_display: Any) -> Any:
        """Return the column that leads to the row: the first one that is not a link itself."""
        if self.list_display_links:
            return self.list_display_links
        fields = self.opts.fields
        linked = {_column_of(each) for each in fields if _text_of(each) is account_link}
        return [column for column in list_display if column not in linked][:1]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the fields of a row, with words for booleans."""
        return readable_columns(
            list(super().get_fields(request, obj)), self.model, self
        )

    def has_view_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        """Allow staff (R23)."""
        return request.user.is_active and request.user.is_staff

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Show the section to those who can read it."""
        return self.has_view_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse."""
        return False

    def has_change_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        """Refuse."""
        return False

    def has_delete_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        """Refuse."""
        return False

    def trail_filter(self, row: Any) -> dict[str, str]:
        """Return the filters of the audit trail that give the entries about a row."""
        if self.trail_type:
            return {"target_type": self.trail_type, "target": str(row.pk)}
        columns = {
            "account_id": "account",
            "service_id": "service",
            "product_id": "product",
        }
        return {
            name: getattr(row, column)
            for column, name in columns.items()
            if getattr(row, column, None)
        }

    def history_view(
        self,
        request: HttpRequest,
        object_id: str,
        extra_context: dict[str, object] | None = None,
    ) -> HttpResponse:
        """Redirect to the entries about a row: Django's own history has nothing."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        row = row_or_404(self.model, unquote(object_id))
        entries = reverse("admin:audit_auditevent_changelist")
        return HttpResponseRedirect(f"{entries}?{urlencode(self.trail_filter(row))}")

    def row_context(self, request: HttpRequest, row: Any) -> Mapping[str, object]:
        """Return what the template of a row's page needs besides the row."""
        return {}

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        *args: Any,
        **options: Any,
    ) -> HttpResponse:
        """Show the page of a row."""
        row = options.get("obj")
        context |= {} if row is None else self.row_context(request, row)
        return super().render_change_form(request, context, *args, **options)

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """Return the list. Raises Invalid for a filter that cannot be read, such as a year of -1.

        Django would redirect to the whole list, which shows more than was asked for.
        """
        try:
            return super().get_changelist_instance(request)
        except (IncorrectLookupParameters, ValueError, OverflowError) as error:
            raise Invalid("We could not read a filter of this list.") from error

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, object] | None = None
    ) -> HttpResponse:
        """Show the list under the name of its rows: nothing is selected here."""
        title = capfirst(self.model._meta.verbose_name_plural)  # noqa: SLF001 - Django's own name
        context = {"title": title} | (extra_context or {})
        return super().changelist_view(request, context)

    def reauthentication(self, request: HttpRequest, title: str) -> HttpResponse | None:
        """Return the page that asks staff who they are, or None; `title` names what they do."""
        site: Any = self.admin_site  # the portal's own, which is in a layer above
        asked: HttpResponse | None = site.require_reauthentication(request, title)
        return asked

    def command_form_view(  # noqa: PLR0913 - the parts of a page, all by keyword
        self,
        request: HttpRequest,
        form: forms.Form,
        command: Callable[..., Any],
        *,
        title: str,
        button: str,
        done: Callable[[Any], str],
        back: Model | None = None,
        template: str = "admin/form.html",
        context: Mapping[str, object] = MappingProxyType({}),
    ) -> HttpResponse:
        """Show a form; on POST call a command with what was typed, and redirect to `back`.

        Staff confirm who they are before it runs; `title` names the deed. The command gets the
        actor, `now` and the form's fields; `done` makes the sentence that is shown afterwards from
        its result. `back` is the row whose page leads here; None for the list of the model.
        """
        if not self.has_view_permission(request):
            raise PermissionDenied
        back_url = admin_url(back or self.model)
        if request.method == "POST" and form.is_valid():
            if asked := self.reauthentication(request, title):
                return asked
            actor = staff_actor_of(request)
            try:
                result = command(actor, now=timezone.now(), **form.cleaned_data)
            except (Invalid, Conflict, NotFound) as refusal:
                field = getattr(refusal, "field", "")
                form.add_error(field if field in form.fields else None, refusal.message)
            else:
                messages.success(request, done(result))
                return HttpResponseRedirect(back_url)
        context = self.admin_site.each_context(request) | {
            "title": title,
            "button": button,
            "form": form,
            "back": back_url,
            "back_label": back or capfirst(self.model._meta.verbose_name_plural),  # noqa: SLF001 - Django's own name
            "opts": self.model._meta,  # noqa: SLF001 - Django's own name
            **context,
        }
        status = HTTPStatus.BAD_REQUEST if form.errors else HTTPStatus.OK
        return render(request, template, context, status=status)


class ReadOnlyInline(admin.TabularInline):  # type: ignore[type-arg]  # not subscriptable at run time
    """Rows that belong to a row, for staff to read."""

    extra = 0
    can_delete = False
    empty_value_display = NOTHING
    show_change_link = False

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the columns, with words for booleans and links to accounts."""
        return readable_columns(
            list(super().get_fields(request, obj)), self.model, self
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the same: Django excludes them from its form."""
        return readable_columns(
            list(super().get_readonly_fields(request, obj)), self.model, self
        )

    def has_view_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Allow staff."""
        return request.user.is_active and request.user.is_staff

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Refuse."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Refuse."""
        return False


def admin_url(of: Model | type[Model]) -> str:
    """Return the address of a row's page in the admin, or of a model's list."""
    meta = of._meta  # noqa: SLF001 - Django's own name
    name = f"admin:{meta.app_label}_{meta.model_name}"
    if isinstance(of, Model):
        return reverse(f"{name}_change", args=[of.pk])
    return reverse(f"{name}_changelist")


def row_or_404(rows: type[RowT] | QuerySet[RowT], pk: object) -> RowT:
    """Return a row by its key; raises Http404, also for a text that can't be a key."""
    try:
        return get_object_or_404(rows, pk=pk)
    except (ValueError, ValidationError) as error:
        raise Http404 from error
