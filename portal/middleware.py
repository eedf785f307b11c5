"""What wraps every request: an id to quote, and refusals turned into pages."""

import secrets
from collections.abc import Callable
from http import HTTPStatus

from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from accounts.authentication import NoAccount
from accounts.errors import Conflict, Forbidden, Invalid, NotFound, RefusalError
from products.edge.contract import PLATFORM

GetResponse = Callable[[HttpRequest], HttpResponse]

STATUS: tuple[tuple[type[RefusalError], HTTPStatus], ...] = (
    (NotFound, HTTPStatus.NOT_FOUND),
    (Forbidden, HTTPStatus.FORBIDDEN),
    (Conflict, HTTPStatus.CONFLICT),
    (Invalid, HTTPStatus.BAD_REQUEST),
)


def request_id(get_response: GetResponse) -> GetResponse:
    """Give each request an id of our own making; one sent by the client is not believed."""

    def middleware(request: HttpRequest) -> HttpResponse:
        request.id = secrets.token_hex(12)  # type: ignore[attr-defined]
        response = get_response(request)
        response["X-Request-ID"] = request.id  # type: ignore[attr-defined]
        response.setdefault("Cache-Control", "no-store")
        return response

    return middleware


def no_edges(get_response: GetResponse) -> GetResponse:
    """Refuse what came through an edge: no customer's origin may be the portal itself.

    An origin's address cannot tell, for it is asked from inside the platform's own network; the
    field that every edge writes, and no rule of a customer's removes, can.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        places = request.headers.get("CDN-Loop", "").split(",")
        if any(place.partition(";")[0].strip() == PLATFORM for place in places):
            return HttpResponse(
                "The portal is no origin: it answers nothing that comes through an edge.\n",
                status=HTTPStatus.LOOP_DETECTED,
                content_type="text/plain; charset=utf-8",
            )
        return get_response(request)

    return middleware


def plain_addresses(get_response: GetResponse) -> GetResponse:
    """Refuse addresses with a NUL in them: no text with one can be looked for in PostgreSQL."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if "\0" in request.path_info or "%00" in request.META.get("QUERY_STRING", ""):
            raise SuspiciousOperation("The address holds a NUL.")
        return get_response(request)

    return middleware


def status_of(refusal: RefusalError) -> HTTPStatus:
    """Return the HTTP status of a refusal; the domain knows of none."""
    return next(
        (status for kind, status in STATUS if isinstance(refusal, kind)),
        HTTPStatus.BAD_REQUEST,
    )


class refusals:  # noqa: N801 - read as a function in the settings, like its neighbour
    """Turn a refusal that no view has answered into its page."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass the request on."""
        return self.get_response(request)

    def process_exception(
        self, request: HttpRequest, error: Exception
    ) -> HttpResponse | None:
        """Render `no_account.html`, or the page of the refusal's status."""
        if not isinstance(error, RefusalError):
            return None
        if isinstance(error, NoAccount):
            return render(request, "no_account.html", status=HTTPStatus.OK)
        status = status_of(error)
        context = {"reason": error.message, "details": error.details}
        return render(request, f"{status.value}.html", context, status=status)
