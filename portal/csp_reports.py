"""Reports of browsers about what the Content-Security-Policy kept them from (CSP3, 5.3).

A report shows markup that someone has injected, or a page that needs what the policy forbids. It
comes from anyone, so one of a kind is logged per process and hour, at most MAX_KINDS kinds, with
the pattern of the page's URL and the host of what was blocked: paths can contain keys.
"""

import json
import logging
import re
import threading
import time
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, resolve
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

MAX_KINDS: Final = 50
MAX_REPORT_BYTES: Final = 8192
MEDIA_TYPE: Final = "application/csp-report"
HOUR: Final = 3600
logger = logging.getLogger(__name__)

_WORD: Final = re.compile(r"[a-z-]{1,40}")
_lock = threading.Lock()
_logged: set[tuple[str, ...]] = set()
_since = 0.0


@csrf_exempt  # browsers send no token, and nothing is changed
@require_POST
def csp_reports(request: HttpRequest) -> HttpResponse:
    """Log a report that has not been logged within the hour."""
    kind = _kind_of(request)
    if kind and _is_new(kind):
        directive, blocked, route = kind
        fields = {"directive": directive, "blocked": blocked, "page": route}
        logger.warning("A browser reports a violation of the policy.", extra=fields)
    return HttpResponse(status=HTTPStatus.NO_CONTENT)


def _kind_of(request: HttpRequest) -> tuple[str, str, str] | None:
    length = int(request.META.get("CONTENT_LENGTH") or 0)
    if request.content_type != MEDIA_TYPE or length > MAX_REPORT_BYTES:
        return None
    try:
        report: Any = json.loads(request.body)["csp-report"]
        directive = str(
            report.get("effective-directive") or report["violated-directive"]
        )
        blocked, page = str(report["blocked-uri"]), str(report["document-uri"])
        where = urlsplit(blocked).hostname or blocked
        route = resolve(urlsplit(page).path).route
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        RecursionError,
        Resolver404,
    ):
        return None
    word = _WORD.match(directive)
    return (word[0] if word else "", where[:100], f"/{route}")


def _is_new(kind: tuple[str, ...]) -> bool:
    global _since  # noqa: PLW0603 - the hour of this process
    with _lock:
        if time.monotonic() - _since > HOUR:
            _logged.clear()
            _since = time.monotonic()
        if kind in _logged or len(_logged) >= MAX_KINDS:
            return False
        _logged.add(kind)
        return True
