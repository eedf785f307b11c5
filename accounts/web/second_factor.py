"""Middleware: people without a second factor that the operator or an account requires must add one."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from django.http import HttpRequest, HttpResponse

from accounts.authentication import SAFE_METHODS
from accounts.reauthentication import AFTER_ENROLMENT, must_enrol, send_to_enrol

# Pages for adding a second factor, re-authenticating and signing out.
OPEN_PATHS: Final = ("/accounts/", "/theme/", "/static/", "/favicon.ico")


def second_factor(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Redirect users who lack a required second factor to the page where they add one.

    A fragment that a page requests by itself gets 403: a redirect would put that page into it.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.path.startswith(OPEN_PATHS):
            return get_response(request)
        is_page = "HX-Request" not in request.headers
        if must_enrol(request):
            if is_page:
                return send_to_enrol(request)
            return HttpResponse(
                "Add a second factor first.", status=HTTPStatus.FORBIDDEN
            )
        if is_page and request.method in SAFE_METHODS:
            _forget_return(request)
        return get_response(request)

    return middleware


def _forget_return(request: HttpRequest) -> None:
    """Forget the page to return to, once the user is on any page again."""
    if AFTER_ENROLMENT in request.session:
        del request.session[AFTER_ENROLMENT]
