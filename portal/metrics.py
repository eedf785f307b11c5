"""`/metrics` for Prometheus: requests by route, refused deployments, and the system's figures.

Each process of a web server counts in a file of its own in a folder of that server, and any of them
answers with the sum. Answered only to a client on this machine that did not come through a proxy,
or with `METRICS_TOKEN`; to others there is no such page.
"""

import os
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from ipaddress import ip_address

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from portal.env import COUNTS_IN
from portal.figures import Figure, system_status
from portal.logs import route_of
from portal.proxy import FORWARDED_FOR

GetResponse = Callable[[HttpRequest], HttpResponse]
REQUESTS = Counter(
    "tollgate_requests", "Requests by route.", ["route", "method", "status"]
)
SECONDS = Histogram(
    "tollgate_request_seconds",
    "Time to a response, by route.",
    ["route"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def measure(get_response: GetResponse) -> GetResponse:
    """Count each request, and answer `/metrics`."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.path_info == "/metrics":
            return _metrics(request)
        started = time.monotonic()
        response = get_response(request)
        route = route_of(request)
        method = request.method if request.method in METHODS else "other"
        REQUESTS.labels(route, method, str(response.status_code)).inc()
        SECONDS.labels(route).observe(time.monotonic() - started)
        return response

    return middleware


def _metrics(request: HttpRequest) -> HttpResponse:
    if not _may_read(request):
        return HttpResponse(status=HTTPStatus.NOT_FOUND)
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=os.environ[COUNTS_IN])  # type: ignore[no-untyped-call]
    registry.register(_Figures())
    return HttpResponse(
        generate_latest(registry), content_type=CONTENT_TYPE_PLAIN_0_0_4
    )


def _may_read(request: HttpRequest) -> bool:
    given = request.headers.get("Authorization", "")
    token = settings.METRICS_TOKEN
    if token and constant_time_compare(given, f"Bearer {token}"):
        return True
    if FORWARDED_FOR in request.META:
        return False
    try:
        return ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False


class _Figures(Collector):
    """Reads the system's figures when Prometheus asks."""

    def collect(self) -> Iterator[Metric]:
        """Yield the results of the checks, and the figures."""
        status = system_status(timezone.now())
        checks = GaugeMetricFamily(
            "tollgate_check", "1 if the check passed.", labels=["check"]
        )
        for check in status.checks:
            checks.add_metric([check.name], float(check.is_ok))
        yield checks
        yield from map(_family, status.figures)


def _family(figure: Figure) -> Metric:
    kind = CounterMetricFamily if figure.is_counter else GaugeMetricFamily
    labels = [figure.label] if figure.label else []
    family = kind(figure.name, f"{figure.title}.", labels=labels)
    for label, value in figure.values:
        family.add_metric([label] if figure.label else [], value)
    return family
