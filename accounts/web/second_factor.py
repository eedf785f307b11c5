"""Middleware: superusers, billing members and staff need a second factor if the operator says so."""

from collections.abc import Callable
from typing import Final

from django.http import HttpRequest, HttpResponse

from accounts.reauthentication import lacks_second_factor, send_to_enrol

# Pages for adding a second factor, re-authenticating and signing out.
OPEN_PATHS: Final = ("/accounts/", "/theme/", "/static/", "/favicon.ico")


def second_factor(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Redirect users who lack a required second factor to the page where they add one."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if not request.path.startswith(OPEN_PATHS) and lacks_second_factor(request):
            return send_to_enrol(request)
        return get_response(request)

    return middleware
