"""Where the operator asks for a second factor: nobody of power goes on without one."""

from collections.abc import Callable
from typing import Final

from django.http import HttpRequest, HttpResponse

from accounts.reauthentication import lacks_second_factor, send_to_enrol

# What one needs to enrol, to confirm who one is before that, and to leave.
OPEN_PATHS: Final = ("/accounts/", "/theme/", "/static/", "/favicon.ico")


def second_factor(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Send superusers, billing people and staff without a second factor to enrol one."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if not request.path.startswith(OPEN_PATHS) and lacks_second_factor(request):
            return send_to_enrol(request)
        return get_response(request)

    return middleware
