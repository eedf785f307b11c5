"""Base class of the admin's pages: they only read, and their forms call one command."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.text import capfirst

from accounts.errors import Conflict, Invalid, NotFound


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not subscriptable at run time
    """Lets staff read. No one can add, change or delete, not even a Django superuser."""

    # The type of the entries' target if entries are about single rows; else those of the row's
    # account, service and product are shown.
    trail_type = ""
    actions = None
    show_facets = admin.ShowFacets.NEVER
    show_full_result_count = False

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
        row = self.get_object(request, object_id)
        if row is None:
            raise Http404
        entries = reverse("admin:audit_auditevent_changelist")
        return HttpResponseRedirect(f"{entries}?{urlencode(self.trail_filter(row))}")

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """Return the list; ignore a filter that the database cannot evaluate, such as a year of -1."""
        try:
            return super().get_changelist_instance(request)
        except (ValueError, OverflowError) as error:
            raise IncorrectLookupParameters from error

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

    def command_form_view(
        self,
        request: HttpRequest,
        form: forms.Form,
        carry_out: Callable[[Any], str],
        *,
        title: str,
        button: str,
        back: str,
        back_label: object = "",
    ) -> HttpResponse:
        """Show a form; on POST run `carry_out`, show the sentence it returns, and redirect to `back`.

        Staff confirm who they are before it runs; `title` names the deed. `back_label` is what
        `back` leads to, such as an account; else it is the list of the model.
        """
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method == "POST" and form.is_valid():
            if asked := self.reauthentication(request, title):
                return asked
            try:
                messages.success(request, carry_out(form))
            except (Invalid, Conflict, NotFound) as refusal:
                field = getattr(refusal, "field", "")
                form.add_error(field if field in form.fields else None, refusal.message)
            else:
                return HttpResponseRedirect(back)
        context = self.admin_site.each_context(request) | {
            "title": title,
            "button": button,
            "form": form,
            "back": back,
            "back_label": back_label or capfirst(self.model._meta.verbose_name_plural),  # noqa: SLF001 - Django's own name
            "opts": self.model._meta,  # noqa: SLF001 - Django's own name
        }
        status = HTTPStatus.BAD_REQUEST if form.errors else HTTPStatus.OK
        return render(request, "admin/form.html", context, status=status)
