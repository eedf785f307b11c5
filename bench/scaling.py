"""Simulates 1,000 edges with a million open connections and one portal, on PostgreSQL.

The table really has `OPEN` open connections of 1,000 edges. The reports and polls are those of
`SAMPLE` edges per cycle.
"""

import gzip
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from statistics import median

from django.db import connection
from django.utils import timezone

from accounts.actor import Actor
from accounts.models import Account
from bench.ingest import HTTP_BATCH, per_second, post_all, start_portal
from products.edge.contract import ROUTES_PATH, UsageReport
from products.enablement.commands import enable_for_service
from products.instants import microseconds_of
from products.metering.commands import ingest
from products.metering.commands.edges import IssuedCredential, issue_credential
from products.metering.queries.current_usage import open_connections
from products.metering.queries.edges import edge_of
from products.metering.queries.usage import totals_in
from products.months import Month
from tests.factories import NOW
from tests.factories.world import build_world
from tests.portal.free_ports import free_port
from tests.products.metering.reports import INSTANCE, record, report_of

SIMULATED_EDGES = 1_000
ACCOUNTS = 10_000
SERVICES = 100
EACH = HTTP_BATCH  # open connections of one edge, and records of its report
OPEN = int(os.environ.get("OPEN", "1000000"))
EDGES = OPEN // EACH
SAMPLE = int(os.environ.get("SAMPLE", "50"))
BEGAN = timezone.now() - timedelta(seconds=90)
MONTH = f"{BEGAN:%Y-%m}"
CLIENTS = 8
POLL_SECONDS = 5.0
# Connections that stay silent for longer are presumed closed.
SILENT_SECONDS = 300
_FILL = """
    INSERT INTO metering_connectionusage (connection_id, month, service, edge, started_us,
        duration_us, bytes_from_client, bytes_to_client, final, clock_differs, last_reported_at)
    SELECT 'edge-' || n %% %s || '.' || %s || '.' || n / %s, %s,
        'service-' || lpad((n %% %s)::text, 14, '0'), 'edge-' || n %% %s, %s,
        90000000, 1200, 5400, false, false, %s
    FROM generate_series(0, %s - 1) AS n"""


def fill() -> float:
    """Write the open connections of all edges; return the bytes per connection."""
    started_us = microseconds_of(BEGAN)
    given = [EDGES, INSTANCE, EDGES, MONTH, SERVICES, EDGES, started_us, BEGAN, OPEN]
    with connection.cursor() as cursor:
        cursor.execute(_FILL, given)
        cursor.execute("VACUUM ANALYZE metering_connectionusage")
    return table_bytes() / OPEN


def table_bytes() -> int:
    """Return the size of all usage rows with their indexes."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_total_relation_size('metering_connectionusage')")
        return int(cursor.fetchone()[0])


def report(number: int, growth: int) -> UsageReport:
    """Return an edge's report of all its open connections after `growth` cycles."""
    records = [
        record(
            each,
            id=f"edge-{number}.{INSTANCE}.{each}",
            month=MONTH,
            started_at=BEGAN,
            service=f"service-{(each * EDGES + number) % SERVICES:014}",
            duration_us=(90 + 30 * growth) * 1_000_000,
            bytes_to_client=5400 + growth,
        )
        for each in range(EACH)
    ]
    return report_of(*records, edge=f"edge-{number}", now=timezone.now())


def in_process(issued: Sequence[IssuedCredential], growth: int) -> float:
    """Merge a report of each sampled edge; return records per second."""
    reports = [report(number, growth) for number in range(len(issued))]

    def work() -> None:
        for one, said in zip(issued, reports, strict=True):
            ingest(one.edge, report=said, received_at=timezone.now())

    return per_second(len(issued) * EACH, work)


def through_http(port: int, issued: Sequence[IssuedCredential], growth: int) -> float:
    """Post the same through the portal's web server; return records per second."""
    bodies = [
        gzip.compress(report(number, growth).to_bytes(), 1)
        for number in range(len(issued))
    ]

    def post(number: int) -> None:
        post_all(port, issued[number].secret, [bodies[number]])

    with ThreadPoolExecutor(4) as pool:
        return per_second(
            len(issued) * EACH, lambda: list(pool.map(post, range(len(issued))))
        )


def poll(port: int, secret: str, etag: str) -> tuple[int, str]:
    """Poll the route table like an edge, on a new connection."""
    status = json.dumps(
        {"engine": "embedded", "version": "0.1.0", "open_connections": EACH}
    )
    asked = (
        f"GET {ROUTES_PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
        f"Authorization: Bearer {secret}\r\nX-Edge-Status: {status}\r\n"
        f"If-None-Match: {etag or '-'}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", port), timeout=60) as there:
        there.sendall(asked.encode())
        answer = bytearray()
        while chunk := there.recv(65_536):
            answer += chunk
    head = answer.partition(b"\r\n\r\n")[0].decode("latin-1")
    found = [line for line in head.split("\r\n") if line.lower().startswith("etag:")]
    return int(head.split()[1]), found[0].partition(":")[2].strip() if found else ""


def polls(port: int, issued: Sequence[IssuedCredential]) -> tuple[float, float, float]:
    """Poll without a pause; return polls per second, and milliseconds at p50 and p99."""
    status, etag = poll(port, issued[0].secret, "")
    assert status == 200, status
    taken: list[float] = []
    lock = threading.Lock()
    until = time.monotonic() + POLL_SECONDS

    def client(first: int) -> None:
        mine, number = [], first
        while (began := time.monotonic()) < until:
            status, _ = poll(port, issued[number % len(issued)].secret, etag)
            assert status == 304, status
            mine.append(time.monotonic() - began)
            number += CLIENTS
        with lock:
            taken.extend(mine)

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(client, range(CLIENTS)))
    taken.sort()
    ms = [taken[int((len(taken) - 1) * part)] * 1000 for part in (0.5, 0.99)]
    return len(taken) / POLL_SECONDS, ms[0], ms[1]


def seconds(work: Callable[[], object]) -> float:
    """Return the median of three durations."""
    return median(1 / per_second(1, work) for _ in range(3))


def credential_ms(secret: str) -> float:
    """Return the milliseconds of a poll's query: the credential and all accounts' revisions."""
    return 1000 * median(
        1 / per_second(1, lambda: edge_of(secret, address="127.0.0.1", now=NOW))
        for _ in range(200)
    )


def add_accounts() -> None:
    """Add many accounts, whose revisions a poll adds up."""
    Account.objects.bulk_create(
        Account(name=f"Account {number}", routes_revision=9, created_at=NOW)
        for number in range(ACCOUNTS)
    )
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE accounts_account")


def run() -> list[str]:
    """Measure, and return lines to print; extrapolated figures are marked."""
    if connection.vendor != "postgresql":
        return ["on PostgreSQL only: set DATABASE_URL"]
    world = build_world()
    enable_for_service(
        world.people["inside"], service=world.shop, product=world.websockets, now=NOW
    )
    actor = Actor.system("edge-credential")
    issued = [
        issue_credential(actor, name=f"edge-{number}", now=NOW)
        for number in range(SAMPLE)
    ]
    row = fill()
    merged = [in_process(issued, growth) for growth in (1, 2, 3)]
    port = free_port()
    portal = start_portal(port)
    try:
        posted = [through_http(port, issued, growth) for growth in (4, 5, 6)]
        asked, p50, p99 = polls(port, issued)
    finally:
        portal.terminate()
        portal.wait(30)
    services = [f"service-{number:014}" for number in range(SERVICES)]
    month = Month.read(MONTH)
    one = seconds(lambda: totals_in(services[:1], month, "UTC"))
    live = seconds(lambda: open_connections(services, timezone.now()))
    few = credential_ms(issued[0].secret)
    add_accounts()
    many = credential_ms(issued[0].secret)
    merge, post = median(merged), median(posted)
    return [
        (
            f"in the table: {OPEN:,} open connections of {EDGES:,} edges, {row:.0f} bytes each"
            f" with indexes; {table_bytes() / OPEN:.0f} after {6 * SAMPLE} reports"
        ),
        f"sampled: {SAMPLE} edges, each with one report of {EACH:,} records a cycle",
        (
            f"merge, 1 process: {merge:,.0f} records per second"
            f" ({', '.join(f'{one:,.0f}' for one in merged)})"
        ),
        (
            f"HTTP, 2 workers: {post:,.0f} records per second"
            f" ({', '.join(f'{one:,.0f}' for one in posted)})"
        ),
        (
            f"extrapolated: all {OPEN:,} once by HTTP in {OPEN / post:.0f} s; they must be"
            f" reported every {SILENT_SECONDS} s ({OPEN / SILENT_SECONDS:,.0f} per second)"
        ),
        (
            f"polls answered 304: {asked:,.0f} per second, p50 {p50:.1f} ms, p99 {p99:.1f} ms at"
            f" {CLIENTS} concurrent clients"
        ),
        (
            f"extrapolated: {SIMULATED_EDGES:,} edges ask each second; the polls alone want"
            f" {SIMULATED_EDGES / asked:.1f} machines like this one"
        ),
        (
            f"a month's totals of one service, {OPEN // SERVICES:,} connections: {one:.3f} s;"
            f" extrapolated to all {SERVICES}: {one * SERVICES:.0f} s"
        ),
        f"open connections of {SERVICES} services, counted: {live:.3f} s",
        f"a poll's one query: {few:.2f} ms, with {ACCOUNTS:,} more accounts {many:.2f} ms",
    ]
