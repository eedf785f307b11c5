"""The Django admin, behind the same sign-in as everything else."""

from collections.abc import Iterable
from typing import Any

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

# Addresses, second factors and sessions are their owner's, and groups give no right here. The
# stock pages of these apps would change them past the commands and the trail.
LEFT_OUT = frozenset({"auth", "account", "mfa", "usersessions"})


class AdminSite(admin.AdminSite):
    """Stock admin; its own login view does not count tries, so the portal's stands before it."""

    site_title = site_header = "Tollgate administration"
    index_title = "Administration"

    def register(
        self,
        model_or_iterable: type[Model] | Iterable[type[Model]],
        admin_class: "type[admin.ModelAdmin[Any]] | None" = None,
        **options: Any,
    ) -> None:
        """Take a page in, unless it is of an app that staff do not keep by hand."""
        given = model_or_iterable
        models = [given] if isinstance(given, type) else list(given)
        kept = [each for each in models if each._meta.app_label not in LEFT_OUT]  # noqa: SLF001
        if kept:
            super().register(kept, admin_class, **options)

    def login(
        self, request: HttpRequest, extra_context: dict[str, object] | None = None
    ) -> HttpResponse:
        """Send people to the portal's sign-in; refuse those who are no staff."""
        response: HttpResponse = secure_admin_login(super().login)(
            request, extra_context
        )
        return response

    def password_change(  # type: ignore[override]  # a redirect is no TemplateResponse
        self, request: HttpRequest, extra_context: dict[str, object] | None = None
    ) -> HttpResponse:
        """Send staff to the portal's own page, which the trail knows of."""
        return HttpResponseRedirect(reverse("account_change_password"))
