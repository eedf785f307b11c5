"""Logs: one JSON object per line and one line per request, without secrets and personal data.

A path can contain the key of an invitation, and the text of an exception a value that a person
entered. So lines have the pattern of the URL, and tracebacks the types of exceptions only.
"""

import json
import logging
import time
import traceback
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Final

from django.http import HttpRequest, HttpResponse

from accounts.actor import Actor

GetResponse = Callable[[HttpRequest], HttpResponse]
REQUESTS: Final = logging.getLogger("portal.requests")
# Each line has the first five fields, the lines of a request the next four, and only its last
# line status and duration. Lines of a trace have its id (`portal.tracing`).
FIELDS: Final = (
    *("time", "level", "logger", "message", "fields"),
    *("request_id", "account_id", "actor_id", "route"),
    *("status", "duration_ms"),
    "trace_id",
)
# The attributes of every record; all others are fields that the caller has added.
STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {
    *("message", "asctime", "request", "status_code"),
    *("status", "duration_ms", "trace_id"),
}
# Django's messages end with a path or with what a client sent.
OF_CLIENTS: Final = ("django.request", "django.security", "django.server")

UNMATCHED: Final = (
    "none"  # a path that is no page, or that was answered before the router
)
# As `accounts.authentication` has them, which can't be imported before the logs are configured.
SESSION_USER: Final = "_auth_user_id"
SESSION_ACCOUNT: Final = "account_id"

_current: ContextVar[HttpRequest | None] = ContextVar("current request", default=None)


class JsonFormatter(logging.Formatter):
    """Formats a record as one line of JSON; line breaks in values are escaped."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line: what FIELDS says, and `traceback` if there is one."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
            "fields": {
                key: str(value)
                for key, value in vars(record).items()
                if key not in STANDARD
            },
        }
        request = _current.get()
        if request is not None:
            line |= _of_request(request)
        for key in ("status", "duration_ms", "trace_id"):
            if key in vars(record):
                line[key] = vars(record)[key]
        if record.exc_info and record.exc_info[1]:
            line["traceback"] = _traceback(record.exc_info[1])
        return json.dumps(line, ensure_ascii=True)


def log_requests(get_response: GetResponse) -> GetResponse:
    """Log each request when it is answered, and let all its lines have its id."""

    def middleware(request: HttpRequest) -> HttpResponse:
        started = time.monotonic()
        token = _current.set(request)
        try:
            response = get_response(request)
            duration_ms = round((time.monotonic() - started) * 1000)
            facts = {"status": response.status_code, "duration_ms": duration_ms}
            REQUESTS.info("A request was answered.", extra=facts)
        finally:
            _current.reset(token)
        return response

    return middleware


def route_of(request: HttpRequest) -> str:
    """Return the pattern of a request's URL, such as `/services/<str:service_id>`."""
    match = request.resolver_match
    return f"/{match.route}" if match else UNMATCHED


def _message(record: logging.LogRecord) -> str:
    text = record.getMessage()
    return text.partition(":")[0] if record.name.startswith(OF_CLIENTS) else text


def _of_request(request: HttpRequest) -> Mapping[str, str]:
    """Return who acts where, as far as it is known already; reads nothing from the database."""
    actor = getattr(request, "auth", None)
    if isinstance(actor, Actor):
        account_id, actor_id = actor.account_id, actor.id
    else:
        actor_id, account_id = _of_session(request)
    return {
        "request_id": getattr(request, "id", ""),
        "account_id": account_id,
        "actor_id": actor_id,
        "route": route_of(request),
    }


def _of_session(request: HttpRequest) -> tuple[str, str]:
    """Return the user and the account of a session that the request has read."""
    session = getattr(request, "session", None)
    if session is None or not session.accessed:
        return "", ""
    memberships = getattr(request, "_memberships", None) or []
    default = memberships[0].account_id if memberships else ""
    return str(session.get(SESSION_USER, "")), str(
        session.get(SESSION_ACCOUNT, default)
    )


def _traceback(error: BaseException) -> list[str]:
    """Return types and places, the first cause first."""
    lines = []
    cause = error.__cause__ or error.__context__
    if cause is not None:
        lines += _traceback(cause)
    frames = traceback.extract_tb(error.__traceback__)
    lines += [f"{each.filename}:{each.lineno} {each.name}" for each in frames]
    return [*lines, type(error).__name__]
