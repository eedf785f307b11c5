"""Traces with OpenTelemetry, if an endpoint is set: a span per request and per task of the worker.

The SDK reads its own settings (`OTEL_…`), such as the endpoint and the sampler. Like log
lines, spans have the pattern of the URL, and no path, address or name. What a client sends in
`traceparent` is ignored.
"""

import logging
import os
from collections.abc import Callable
from contextvars import Token
from typing import Any

from celery import Task
from celery.signals import task_postrun, task_prerun, worker_init
from celery.states import SUCCESS
from django.http import HttpRequest, HttpResponse
from opentelemetry import trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, StatusCode

from portal.logs import route_of

GetResponse = Callable[[HttpRequest], HttpResponse]
SERVER_ERROR = 500
TRACER = trace.get_tracer("tollgate")
_running: dict[str, tuple[trace.Span, Token[Context]]] = {}  # by the task's id


def trace_requests(get_response: GetResponse) -> GetResponse:
    """Make a span for each request, with the request's id; log lines get the id of its trace."""
    start("tollgate-web")

    def middleware(request: HttpRequest) -> HttpResponse:
        method = request.method or ""
        with TRACER.start_as_current_span(
            method, kind=SpanKind.SERVER, record_exception=False
        ) as span:
            response = get_response(request)
            route = route_of(request)
            span.update_name(f"{method} {route}")
            span.set_attributes(
                {
                    "http.request.method": method,
                    "http.route": route,
                    "http.response.status_code": response.status_code,
                    "tollgate.request_id": getattr(request, "id", ""),
                }
            )
            if response.status_code >= SERVER_ERROR:
                span.set_status(StatusCode.ERROR)
        return response

    return middleware


@worker_init.connect
def trace_tasks(**_: object) -> None:
    """Make a span for each task from now on."""
    start("tollgate-worker")


@task_prerun.connect
def start_task(task_id: str, task: "Task[Any, Any]", **_: object) -> None:
    """Start the span of a task."""
    span = TRACER.start_span(task.name, kind=SpanKind.CONSUMER)
    _running[task_id] = span, attach(trace.set_span_in_context(span))


@task_postrun.connect
def end_task(task_id: str, state: str | None = None, **_: object) -> None:
    """End the span of a task."""
    span, token = _running.pop(task_id)
    if state != SUCCESS:
        span.set_status(StatusCode.ERROR)
    detach(token)
    span.end()


def start(service: str) -> None:
    """Send spans to the endpoint from now on, in this process and those that it forks."""
    name = os.environ.get("OTEL_SERVICE_NAME", service)
    provider = TracerProvider(resource=Resource.create({SERVICE_NAME: name}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    logging.setLogRecordFactory(_record)


def _record(*args: object, **fields: object) -> logging.LogRecord:
    """Make a log record, with the id of the current trace if there is one."""
    record = logging.LogRecord(*args, **fields)  # type: ignore[arg-type]
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        record.trace_id = trace.format_trace_id(context.trace_id)
    return record
