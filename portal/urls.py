"""The URLs of all apps, of sign-in and of the admin."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from portal.csp_reports import csp_reports
from portal.openapi.views import api_docs, openapi
from portal.security_txt import PATH, security_txt
from products.protocol import API_PATH

urlpatterns = [
    # Programs call the API most, so its paths are tried first: a call tries a hundred fewer.
    path(API_PATH.removeprefix("/"), include("products.api.urls")),
    path(API_PATH.removeprefix("/"), include("accounts.api.urls")),
    path(f"{API_PATH.removeprefix('/')}openapi.json", openapi, name="openapi"),
    path(f"{API_PATH.removeprefix('/')}docs", api_docs, name="api_docs"),
    path("admin/", admin.site.urls),
    path("accounts/", include("accounts.web.own_login")),
    path("accounts/", include("allauth.urls")),
    path(
        "favicon.ico", RedirectView.as_view(url="/static/img/icon.svg", permanent=True)
    ),
    path(PATH, security_txt, name="security_txt"),
    path(settings.CSP_REPORTS, csp_reports, name="csp_reports"),
    path("", include("accounts.web.urls")),
    path("", include("products.web.urls")),
]

handler400 = "portal.error_responses.bad_request"
handler404 = "portal.error_responses.not_found"
handler500 = "portal.error_responses.server_error"
# allauth calls this where its limits are reached.
handler429 = "portal.error_responses.too_many_requests"
