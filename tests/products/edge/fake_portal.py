"""A portal for the edge alone: serves a route table, takes usage, misbehaves on demand."""

import gzip
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec

from products.edge.contract import (
    FORMAT,
    MAX_USAGE_RECORDS,
    ROUTES_PATH,
    STATUS_HEADER,
    USAGE_PATH,
    EdgeStatus,
    Origin,
    Route,
    RouteTable,
    UsageAnswer,
    UsageReport,
)
from tests.serving import serve_in_thread

CREDENTIAL = "edge-credential-for-tests"
_HOLD_SECONDS = 0.05  # a request for a table that has not changed


def origin(port, *, address="127.0.0.1", use_tls=False, override_host=None):
    return Origin("origin", address, port, use_tls, override_host)


def route(host, to=None, **changes):
    """Describe a service with one host; its id is the host."""
    given = {
        "service": host.replace(".", "-"),
        "account": "account",
        "hosts": (host,),
        "websockets": True,
        "refusal": "",
        "origin": to,
        "header_rules": (),
        "log_endpoints": (),
        "month": "2026-11",
        "month_ends_at": "2099-12-01T00:00:00Z",
    }
    return msgspec.convert(given | changes, Route)


class FakePortal:
    """Keeps what edges report, merged by maximum as the real portal does."""

    def __init__(self):
        self.table = RouteTable(FORMAT, 1, ())
        self.epoch = "epoch-1"
        self.usage_status = 200
        self.answers_routes = True
        self.drop_answers = 0  # so many usage answers are lost after the merge
        self.reports = []
        self.statuses = []
        self.seen_etags = set()
        self.connections = {}
        self.delivery = {}
        self._lock = threading.Lock()
        portal = self

        class Handler(_Handler):
            owner = portal

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        serve_in_thread(self._server)

    @property
    def url(self):
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def etag(self):
        return _etag_of(self.table)

    def publish(self, *routes):
        self.table = RouteTable(FORMAT, self.table.revision + 1, tuple(routes))

    def merge(self, report):
        with self._lock:
            self.reports.append(report)
            for record in report.connections:
                key = (record.id, record.month)
                self.connections[key] = _larger(self.connections.get(key), record)
            for record in report.delivery:
                where = (report.instance, record.service, record.hour)
                self.delivery[where] = _larger(self.delivery.get(where), record)

    def of_service(self, service):
        with self._lock:
            return [r for r in self.connections.values() if r.service == service]

    def delivered(self, service):
        with self._lock:
            rows = [r for r in self.delivery.values() if r.service == service]
        return (
            sum(r.requests for r in rows),
            sum(r.bytes_from_client for r in rows),
            sum(r.bytes_to_client for r in rows),
        )

    def close(self):
        self._server.shutdown()
        self._server.server_close()


def _etag_of(table):
    return f'"{table.revision}"'


def _larger(before, now):
    if before is None:
        return now
    names = [n for n in ("duration_us", "requests") if hasattr(now, n)]
    names += ["bytes_from_client", "bytes_to_client"]
    merged = {name: max(getattr(before, name), getattr(now, name)) for name in names}
    if hasattr(now, "final"):
        merged["final"] = before.final or now.final
    return msgspec.structs.replace(now, **merged)


class _Handler(BaseHTTPRequestHandler):
    owner = None

    def log_message(self, *args):
        pass

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def is_known(self):
        return self.headers["Authorization"] == f"Bearer {CREDENTIAL}"

    def answer_when_changed(self, etag):
        """Answer 304 after a moment, or a new table immediately, so that tests wait less."""
        until = time.monotonic() + _HOLD_SECONDS
        while self.owner.etag == etag and time.monotonic() < until:
            time.sleep(0.005)
        self.answer_table(etag)

    def answer_table(self, etag):
        table = self.owner.table
        if etag == _etag_of(table):
            self.answer(304)
        else:
            self.answer(200, table.to_bytes(), ETag=_etag_of(table))

    def do_GET(self):
        portal = self.owner
        if not self.is_known():
            self.answer(401)
        elif self.path != ROUTES_PATH or not portal.answers_routes:
            self.answer(503)
        elif (etag := self.headers["If-None-Match"]) == portal.etag:
            portal.seen_etags.add(etag)
            portal.statuses.append(
                EdgeStatus.from_bytes(self.headers[STATUS_HEADER].encode())
            )
            self.answer_when_changed(etag)
        else:
            self.answer_table(etag)

    def do_POST(self):
        portal = self.owner
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not self.is_known() or self.path != USAGE_PATH:
            self.answer(401)
            return
        if portal.usage_status != 200:
            self.answer(portal.usage_status)
            return
        if self.headers["Content-Encoding"] == "gzip":
            body = gzip.decompress(body)
        report = UsageReport.from_bytes(body)
        count = len(report.connections) + len(report.delivery)
        assert count <= MAX_USAGE_RECORDS
        portal.merge(report)
        if portal.drop_answers:
            portal.drop_answers -= 1
            self.close_connection = True
            return
        self.answer(200, UsageAnswer(count, 0, (), portal.epoch).to_bytes())


def eventually(question, seconds=60.0):
    """Ask until the answer is true; give the answer. Fails after a generous time."""
    deadline = time.monotonic() + seconds
    while not (answer := question()):
        if time.monotonic() > deadline:
            raise AssertionError(f"never became true: {question}")
        time.sleep(0.01)
    return answer
