"""The Django admin, behind the same sign-in as everything else."""

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.http import HttpRequest, HttpResponse


class AdminSite(admin.AdminSite):
    """Stock admin; its own login view does not count tries, so the portal's stands before it."""

    site_title = site_header = "Tollgate administration"
    index_title = "Administration"

    def login(
        self, request: HttpRequest, extra_context: dict[str, object] | None = None
    ) -> HttpResponse:
        """Send people to the portal's sign-in; refuse those who are no staff."""
        response: HttpResponse = secure_admin_login(super().login)(request, extra_context)
        return response
