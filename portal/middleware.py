"""Middleware: request ids, rejected requests, and pages instead of bare responses."""

import secrets
from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote_to_bytes

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.middleware.gzip import GZipMiddleware
from django.shortcuts import render
from django.urls import reverse

from accounts.authentication import SAFE_METHODS, NoAccount, current_membership
from accounts.date_formats import read_as
from accounts.errors import (
    Conflict,
    Forbidden,
    Invalid,
    LimitReached,
    NotFound,
    RefusalError,
)
from accounts.models import User
from accounts.policy import AccountSuspended
from accounts.return_page import page_of_form
from products.edge.contract import PLATFORM
from products.protocol import API_PATH, INVALID_PATH

GetResponse = Callable[[HttpRequest], HttpResponse]

STATUS: tuple[tuple[type[RefusalError], HTTPStatus], ...] = (
    (NotFound, HTTPStatus.NOT_FOUND),
    (Forbidden, HTTPStatus.FORBIDDEN),
    (LimitReached, HTTPStatus.TOO_MANY_REQUESTS),  # before Conflict, which it is too
    (Conflict, HTTPStatus.CONFLICT),
    (Invalid, HTTPStatus.BAD_REQUEST),
)


class UnreadableRequest(SuspiciousOperation):
    """A request cannot be read, or its text not be stored; its message is shown to the client."""


def request_id(get_response: GetResponse) -> GetResponse:
    """Give each request a new id; an id that the client sends is ignored."""

    def middleware(request: HttpRequest) -> HttpResponse:
        request.id = secrets.token_hex(12)  # type: ignore[attr-defined]
        response = get_response(request)
        response["X-Request-ID"] = request.id  # type: ignore[attr-defined]
        response.setdefault("Cache-Control", "no-store")
        return response

    return middleware


def compress_pages(get_response: GetResponse) -> GetResponse:
    """Compress pages. Programs get what they parse as it is, and static files are compressed before.

    Each response has random bytes in its gzip header, and CSRF tokens are masked, so that the
    length of a response does not reveal a secret in it (BREACH).
    """
    gzip = GZipMiddleware(get_response)

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if response.get("Content-Type", "").startswith("text/html"):
            gzip.process_response(request, response)  # changes it in place
        return response

    return middleware


def see_other(get_response: GetResponse) -> GetResponse:
    """Redirect with 303 after a request that is not safe; Django and its libraries use 302.

    303 says that the page is read with GET, which 302 leaves open (RFC 9110, 15.4.4).
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if response.status_code == HTTPStatus.FOUND and (
            request.method not in SAFE_METHODS
        ):
            response.status_code = HTTPStatus.SEE_OTHER
        return response

    return middleware


def reject_edge_requests(get_response: GetResponse) -> GetResponse:
    """Reject requests that came through an edge: the portal must not be a customer's origin.

    The client address cannot show this, because an edge may be in the portal's own network. Every
    edge writes CDN-Loop, and no header rule can remove it.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        hops = request.headers.get("CDN-Loop", "").split(",")
        if any(hop.partition(";")[0].strip() == PLATFORM for hop in hops):
            return HttpResponse(
                "The portal can't be used as an origin.\n",
                status=HTTPStatus.LOOP_DETECTED,
                content_type="text/plain; charset=utf-8",
            )
        return get_response(request)

    return middleware


def reject_unstorable_text(get_response: GetResponse) -> GetResponse:
    """Reject a URL or cookie with a null byte, and a URL with bytes that are not UTF-8.

    No text in the database has them, and PostgreSQL fails when it is asked for one that has. No
    other field of a head can have a null byte, but a quoted cookie can escape it.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        query = unquote_to_bytes(request.META.get("QUERY_STRING", ""))
        if "\0" in request.path_info or b"\0" in query:
            raise UnreadableRequest("The URL contains a null byte.")
        if any("\0" in cookie for cookie in request.COOKIES.values()):
            raise UnreadableRequest("A cookie contains a null byte.")
        if request.META.get(INVALID_PATH):
            raise UnreadableRequest("The path is not UTF-8.")
        try:
            query.decode()
        except UnicodeDecodeError as error:
            raise UnreadableRequest("The query is not UTF-8.") from error
        return get_response(request)

    return middleware


class reject_unstorable_forms:  # noqa: N801 - the settings name it beside functions
    """Rejects the form of a page with a null byte; the API's bodies are checked as they are parsed."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass the request on."""
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Any, args: Any, kwargs: Any
    ) -> None:
        """Look at the form, after the limit of the body has been set."""
        if not request.path.startswith(API_PATH) and any(
            "\0" in text for texts in request.POST.lists() for text in texts[1]
        ):
            raise UnreadableRequest("The form contains a null byte.")


def reader(get_response: GetResponse) -> GetResponse:
    """Show times on pages in the format and the time zone of the person, else of their account.

    The admin and the API have the first format and UTC: staff work for accounts everywhere, and
    programs expect it.
    """
    admin = reverse("admin:index")

    def middleware(request: HttpRequest) -> HttpResponse:
        user = request.user
        if not isinstance(user, User) or request.path.startswith((API_PATH, admin)):
            return get_response(request)
        here = current_membership(request)
        account_zone = here.account.time_zone if here else ""
        with read_as(user.date_format, user.time_zone, account_zone):
            return get_response(request)

    return middleware


def page_for_method(get_response: GetResponse) -> GetResponse:
    """Show a page with a way back where a method is not allowed; Django's response is empty."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        # The API's response says what is wrong, as JSON.
        if response.status_code != HTTPStatus.METHOD_NOT_ALLOWED or response.content:
            return response
        context = {"back": page_of_form(request)}
        page = render(request, "405.html", context, status=response.status_code)
        page["Allow"] = response["Allow"]
        return page

    return middleware


def sign_in_to_form(get_response: GetResponse) -> GetResponse:
    """After a form that was sent without a session, let sign-in lead back to the form's page.

    A fragment that a page requests by itself gets 401: a redirect would put sign-in into the page.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if not _leads_to_sign_in(request, response):
            return response
        if request.headers.get("HX-Request"):
            return HttpResponse("You are signed out.", status=HTTPStatus.UNAUTHORIZED)
        if request.method in SAFE_METHODS:
            return response
        messages.info(
            request, "Nothing was changed. Sign in, then send the form again."
        )
        return redirect_to_login(page_of_form(request))

    return middleware


def _leads_to_sign_in(request: HttpRequest, response: HttpResponse) -> bool:
    """Tell whether a response leads to sign-in because the request needs it."""
    return isinstance(response, HttpResponseRedirect) and (
        response.url == redirect_to_login(request.get_full_path()).url
    )


def status_of(refusal: RefusalError) -> HTTPStatus:
    """Return the HTTP status of a refusal."""
    return next(
        (status for kind, status in STATUS if isinstance(refusal, kind)),
        HTTPStatus.BAD_REQUEST,
    )


class refusal_pages:  # noqa: N801 - the settings name it beside functions
    """Shows the page of a refusal that no view has handled."""

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
        context = {
            "reason": error.message,
            "details": error.details,
            "is_suspended": isinstance(error, AccountSuspended),
            "is_read": request.method in SAFE_METHODS,
        }
        return render(request, f"{status.value}.html", context, status=status)
