"""The page to return to after a form, never one outside the portal."""

from urllib.parse import urlsplit, urlunsplit

from django.http import HttpRequest
from django.utils.http import url_has_allowed_host_and_scheme


def safe_next(request: HttpRequest, default: str = "/") -> str:
    """Return the page that a form says it was on; `default` without one in the portal."""
    wanted = request.POST.get("next", "")
    return wanted if is_in_portal(request, wanted) else default


def is_in_portal(request: HttpRequest, url: str) -> bool:
    """Tell whether a URL leads to the portal."""
    return bool(url) and url_has_allowed_host_and_scheme(
        url, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )


def page_of_form(request: HttpRequest) -> str:
    """Return the page that had the form of this request, by its Referer; else `/`."""
    referer = request.headers.get("Referer", "")
    if not is_in_portal(request, referer):
        return "/"
    parts = urlsplit(referer)
    return urlunsplit(("", "", parts.path or "/", parts.query, ""))
