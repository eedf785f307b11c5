"""The portal's web server with one more page, which hangs: it keeps the interpreter's lock for years."""

import re

from django.http import HttpRequest, HttpResponse
from django.urls import get_resolver, path

from portal import web_server

PAGE = "test-of-a-hang"


def hang(request: HttpRequest) -> HttpResponse:
    """Compare a text with a pattern that backtracks without end."""
    re.match("(a|a)*$", "a" * 64 + "b")
    return HttpResponse()


if __name__ == "__main__":
    get_resolver().url_patterns.insert(0, path(PAGE, hang))
    web_server.main([])
