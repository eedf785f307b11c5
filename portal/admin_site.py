"""The Django admin, with the portal's sign-in and without pages that bypass the commands."""

from collections.abc import Iterable
from typing import Any

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

# The stock pages of these apps would change email addresses, second factors, sessions and groups
# without a command and without an audit entry.
EXCLUDED_APPS = frozenset({"auth", "account", "mfa", "usersessions"})


class AdminSite(admin.AdminSite):
    """Django's admin; its own login has no rate limit, so it uses the portal's sign-in."""

    site_title = site_header = "Tollgate administration"
    index_title = "Administration"

    def register(
        self,
        model_or_iterable: type[Model] | Iterable[type[Model]],
        admin_class: "type[admin.ModelAdmin[Any]] | None" = None,
        **options: Any,
    ) -> None:
        """Register a page, unless it belongs to an excluded app."""
        given = model_or_iterable
        models = [given] if isinstance(given, type) else list(given)
        kept = [each for each in models if each._meta.app_label not in EXCLUDED_APPS]  # noqa: SLF001
        if kept:
            super().register(kept, admin_class, **options)

    def login(
        self, request: HttpRequest, extra_context: dict[str, object] | None = None
    ) -> HttpResponse:
        """Redirect to the portal's sign-in; refuse users who are not staff."""
        response: HttpResponse = secure_admin_login(super().login)(
            request, extra_context
        )
        return response

    def password_change(  # type: ignore[override]  # returns a redirect
        self, request: HttpRequest, extra_context: dict[str, object] | None = None
    ) -> HttpResponse:
        """Redirect to the portal's own page, which notes an audit entry."""
        return HttpResponseRedirect(reverse("account_change_password"))
