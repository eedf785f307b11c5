"""Traces: off by default; if an endpoint is set, web server and worker send what logs may have."""

import gzip
import json
import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
)

from portal import env
from tests.serving import serve_in_thread
from tests.stories.stack import OWN

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import logging, os
import django
django.setup()
from django.test import Client
from opentelemetry import trace
Client().get("/help/roles/?secret=1", headers={
    "host": "localhost",
    "traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01",
})
Client(raise_request_exception=False).get("/join/secret-of-an-invitation/", headers={"host": "localhost"})
from celery.signals import worker_init
from portal.celery import app
app.loader.import_default_modules()
worker_init.send(sender=None)

@app.task(name="sweep")
def sweep():
    logging.getLogger("sweep").warning("A sweep has run.")
    raise ValueError("secret text")

sweep.apply()
trace.get_tracer_provider().force_flush()
"""


@pytest.fixture
def collector():
    """Return a server of OTLP over HTTP, and the requests that it got."""
    received = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            received.append(body)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = serve_in_thread(server)
    yield f"http://127.0.0.1:{server.server_port}", received
    server.shutdown()
    thread.join()
    server.server_close()


def spans_of(received):
    requests = [ExportTraceServiceRequest.FromString(body) for body in received]
    return [
        span
        for request in requests
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def test_a_request_and_a_task_have_a_span_and_their_log_lines_its_trace(
    collector, tmp_path
):
    endpoint, received = collector
    inherited = {key: value for key, value in os.environ.items() if key not in OWN}
    own = {
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        "DATA_DIR": str(tmp_path),
        "ACCESS_LOG": "1",
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
    }

    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        env=inherited | own,
        capture_output=True,
        text=True,
        check=True,
    )

    lines = [json.loads(line) for line in ran.stderr.splitlines() if line[:1] == "{"]
    spans = {span.name: span for span in spans_of(received)}
    page = spans["GET /help/<slug:page>/"]
    attributes = {each.key: each.value for each in page.attributes}
    (logged,) = [line for line in lines if line.get("route") == "/help/<slug:page>/"]
    assert attributes["tollgate.request_id"].string_value == logged["request_id"]
    assert attributes["http.response.status_code"].int_value == 200
    assert logged["trace_id"] == page.trace_id.hex() != "a" * 32
    (swept,) = [line for line in lines if line["logger"] == "sweep"]
    assert swept["trace_id"] == spans["sweep"].trace_id.hex()
    assert spans["sweep"].status.code == spans["sweep"].status.STATUS_CODE_ERROR
    assert b"secret" not in b"".join(received)


def test_without_an_endpoint_nothing_is_traced():
    assert not settings.TRACING
    assert "portal.tracing.trace_requests" not in settings.MIDDLEWARE


def test_an_endpoint_without_the_packages_is_refused_with_what_to_install(monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
    monkeypatch.setattr(env, "find_spec", lambda name: None)

    with pytest.raises(ImproperlyConfigured, match="are missing"):
        env.tracing()
