"""The API's calls on one process, beside a bare Django view with one indexed query.

The bare view is measured with the portal's middleware and without any. Goals: GET of a service at
least 0.5 of the former, p99 below 50 ms; details of a version with `PARTS` parts (200 by default)
below 40 ms, its clone below 50 ms, a product PUT below 30 ms, a replay below 2 ms.
"""

import io
import os
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

from django.core.cache import cache
from django.core.handlers.wsgi import WSGIHandler
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import override_settings
from django.urls import ResolverMatch, path

from products.services.models import Service
from tests.factories.services import (
    BackendFactory,
    DomainFactory,
    HeaderFactory,
    LogEndpointFactory,
    SnippetFactory,
    VersionFactory,
)
from tests.factories.world import World, build_world

PARTS = int(os.environ.get("PARTS", "200"))
TIMES = int(os.environ.get("TIMES", "300"))
ROUNDS = 20
BARE = "bare view"
FORM = "application/x-www-form-urlencoded"


def bare(_request: HttpRequest, service_id: str) -> HttpResponse:
    """Answer with one row, found by its primary key."""
    row = Service.objects.filter(pk=service_id).values("id", "name", "comment").get()
    return JsonResponse(row)


BARE_URLS = (path("bare/<str:service_id>", bare),)


class BareHandler(WSGIHandler):
    """A handler that has the bare view alone."""

    def resolve_request(self, request: HttpRequest) -> ResolverMatch:
        """Resolve with the bare view's URLs."""
        request.urlconf = BARE_URLS  # type: ignore[assignment]
        return super().resolve_request(request)


def call(
    handler: WSGIHandler,
    method: str,
    url: str,
    key: str = "",
    *,
    idempotency: str = "",
    query: str = "",
) -> tuple[int, bytes]:
    """Send a request through the web server's interface; return status and body."""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "PATH_INFO": url,
        "QUERY_STRING": query,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "127.0.0.1",
        "HTTP_ACCEPT": "application/json",
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_TYPE": FORM,
        "CONTENT_LENGTH": "0",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": io.StringIO(),
    }
    if key:
        environ["HTTP_FASTLY_KEY"] = key
    if idempotency:
        environ["HTTP_IDEMPOTENCY_KEY"] = idempotency
    answered: list[str] = []
    response = handler(environ, lambda status, _headers: answered.append(status))
    body = b"".join(response)
    response.close()
    return int(answered[0].split()[0]), body


def milliseconds(work: Callable[[], tuple[int, bytes]], times: int) -> list[float]:
    """Return the times of successful calls, in order of length."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        status, body = work()
        taken.append((time.perf_counter() - began) * 1000)
        assert status == 200, (status, body)
    return sorted(taken)


def add_parts(world: World) -> str:
    """Add a service, and a version of it with many parts of several kinds; return its path."""
    version = VersionFactory.create(service__account=world.acme)
    factories = (
        (DomainFactory, lambda n: {"name": f"d{n}.example.com"}),
        (BackendFactory, lambda n: {"name": f"b{n}"}),
        (HeaderFactory, lambda n: {"name": f"h{n}"}),
        (SnippetFactory, lambda n: {"name": f"s{n}", "content": "# nothing"}),
        (LogEndpointFactory, lambda n: {"name": f"l{n}"}),
    )
    for number in range(PARTS):
        factory, given = factories[number % len(factories)]
        factory.create(version=version, **given(number))
    return f"/service/{version.service_id}/version/1"


def run() -> Iterator[str]:
    """Measure in turns, since the machine may be busy, and yield lines to print."""
    world = build_world()
    large = add_parts(world)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    portal = WSGIHandler()
    with override_settings(MIDDLEWARE=[]):
        floor = BareHandler()
    portal_floor = BareHandler()
    shop = world.shop.pk

    def api(method: str, url: str, **more: str) -> tuple[int, bytes]:
        return call(portal, method, f"/api{url}", world.keys["superuser"], **more)

    product = f"/enabled-products/v1/websockets/services/{shop}"
    lock = f"/service/{shop}/version/1/lock"  # changes nothing after the first call

    def switch() -> tuple[int, bytes]:
        call(portal, "DELETE", f"/api{product}", world.keys["superuser"])
        return api("PUT", product)

    works: dict[str, Callable[[], tuple[int, bytes]]] = {
        BARE: lambda: call(portal_floor, "GET", f"/bare/{shop}"),
        "without middleware": lambda: call(floor, "GET", f"/bare/{shop}"),
        "GET service": lambda: api("GET", f"/service/{shop}"),
        f"details, {PARTS} parts": lambda: api(
            "GET", large.replace("/version/1", "/details"), query="version=1"
        ),
        f"clone, {PARTS} parts": lambda: api("PUT", f"{large}/clone"),
        "product DELETE and PUT": switch,
        "write that changes nothing": lambda: api("PUT", lock),
        "the same, with a new key": lambda: api("PUT", lock, idempotency=uuid4().hex),
        "the same, replayed": lambda: api("PUT", lock, idempotency="one-key"),
    }
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(ROUNDS):
        for name, work in works.items():
            cache.clear()  # of the writes that count for the rate limit
            milliseconds(work, 2)
            taken[name] += milliseconds(work, TIMES // ROUNDS)
    floor_median = statistics.median(taken[BARE])
    for name, each in taken.items():
        median, p99 = statistics.median(each), sorted(each)[int(len(each) * 0.99)]
        yield (
            f"{name:28} {median:7.2f} ms, p99 {p99:7.2f} ms, {1000 / median:6.0f} per second, "
            f"{floor_median / median:.2f} of the bare view"
        )
