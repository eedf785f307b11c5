"""The rate limit of the pages' forms: per minute and signed-in user, on each machine."""

import time
from collections.abc import Callable
from typing import Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from accounts.authentication import SAFE_METHODS
from portal.api_rate_limit import MINUTE, SharedCounts
from portal.error_responses import too_many_requests
from products.protocol import API_PATH

GetResponse = Callable[[HttpRequest], HttpResponse]
# Made when the web server loads its middleware, before it forks its workers.
_FORMS: Final = SharedCounts()


def limit_forms(get_response: GetResponse) -> GetResponse:
    """Refuse the forms that a signed-in user sends faster than a person could."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.method in SAFE_METHODS or request.path.startswith(API_PATH):
            return get_response(request)
        user = request.user
        window = int(time.time()) // MINUTE
        if user.is_authenticated and (
            _FORMS.add(str(user.pk), window) > settings.FORMS_PER_MINUTE
        ):
            return too_many_requests(request, "429_forms.html")
        return get_response(request)

    return middleware
