"""Usage records per second, merged directly and through HTTP, beside a bare COPY in the same run.

`RECORDS` in the environment is their number, 100,000 by default. The goal on two cores and
PostgreSQL: 50,000 per second by the merge, 25,000 through HTTP in batches of 1,000.
"""

import gzip
import http.client
import json
import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import timedelta
from functools import partial

from django.conf import settings
from django.db import connection

from accounts.actor import Actor
from products.edge.contract import USAGE_PATH, ConnectionRecord, UsageReport
from products.metering.commands import ingest
from products.metering.commands.edges import issue_credential
from products.metering.commands.ingest import connection_values
from products.metering.commands.merge_sql import ConnectionValues
from products.metering.models import Edge
from tests.concurrency import together
from tests.factories import NOW
from tests.portal.free_ports import free_port
from tests.products.metering.reports import record, report_of

BATCH = 5_000  # as large as the contract allows
HTTP_BATCH = 1_000
CLIENTS = 4
EDGES = 4
# Longer than a period stays marked, so that every batch has to mark its periods again.
MARK_INTERVAL = timedelta(minutes=11)
ROUNDS = 3
COLUMNS = "connection_id, month, service, started_us, duration_us, bytes_from_client, bytes_to_client, final"


def records(
    first: int, count: int, growth: int = 0, edge: str = "edge-1"
) -> list[ConnectionRecord]:
    """Return records of some connections; with growth, later records of the same ones."""
    return [
        record(
            number,
            edge=edge,
            service=f"service-{number % 100:014}",
            duration_us=90_000_000 + growth * 10_000_000,
            bytes_to_client=5400 + growth,
        )
        for number in range(first, first + count)
    ]


def batches(
    found: Sequence[ConnectionRecord], size: int, edge: str = "edge-1"
) -> list[UsageReport]:
    """Split records into reports."""
    return [
        report_of(*found[start : start + size], edge=edge)
        for start in range(0, len(found), size)
    ]


def per_second(count: int, work: Callable[[], object]) -> float:
    """Return the rate per second of some work on `count` things."""
    began = time.perf_counter()
    work()
    return count / (time.perf_counter() - began)


def merge(
    edge: Edge, reports: Sequence[UsageReport], step: timedelta = timedelta()
) -> None:
    """Ingest reports one after the other, each received a step later than the one before."""
    for index, report in enumerate(reports):
        ingest(edge, report=report, received_at=NOW + index * step)


def merge_from_all(count: int, first: int, step: timedelta = timedelta()) -> float:
    """Measure new records of the same services from several edges at the same time."""
    work = []
    for name in (f"edge-{number}" for number in range(1, EDGES + 1)):
        edge = Edge.objects.get(name=name)
        new = records(first, count // EDGES, edge=name)
        work.append((edge, batches(new, HTTP_BATCH, name)))
    calls = (partial(merge, edge, reports, step) for edge, reports in work)
    outcomes: list[object] = []
    rate = per_second(count, lambda: outcomes.extend(together(*calls)))
    assert outcomes == [None] * EDGES, outcomes
    return rate


def copy(table: str, reports: Sequence[UsageReport]) -> None:
    """Write the same rows and nothing else: by COPY, or by executemany on SQLite."""
    for rows in map(connection_values, reports):
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                with cursor.copy(f"COPY {table} ({COLUMNS}) FROM STDIN") as stream:
                    stream.write("".join(map(line, rows)))
            else:
                marks = ", ".join(["%s"] * 8)
                cursor.executemany(
                    f"INSERT INTO {table} ({COLUMNS}) VALUES ({marks})", rows
                )


def line(row: ConnectionValues) -> str:
    """Write a row as COPY reads it."""
    return "\t".join(map(str, row)) + "\n"


def in_process(edge: Edge, count: int) -> dict[str, float]:
    """Measure one round: bare COPY, then merges of new, grown and repeated records."""
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS bare")
        cursor.execute(
            f"CREATE TABLE bare AS SELECT {COLUMNS} FROM metering_connectionusage WHERE 1 = 0"
        )
        cursor.execute("DELETE FROM metering_connectionusage")
        if connection.vendor == "postgresql":
            cursor.execute("TRUNCATE metering_connectionusage")
    new, grown = (batches(records(0, count, growth), BATCH) for growth in (0, 1))
    return {
        "bare COPY": per_second(count, lambda: copy("bare", new)),
        "merge, new": per_second(count, lambda: merge(edge, new)),
        "merge, grown": per_second(count, lambda: merge(edge, grown)),
        "merge, the same again": per_second(count, lambda: merge(edge, grown)),
        "merge, 4 edges": merge_from_all(count, count),
        "merge, 4 edges, marking": merge_from_all(count, 2 * count, MARK_INTERVAL),
    }


def start_portal(port: int) -> "subprocess.Popen[bytes]":
    """Start the portal's web server on the benchmark's database, and wait until it answers."""
    description = connection.settings_dict
    url = f"sqlite:///{description['NAME']}"
    if connection.vendor == "postgresql":
        who = f"{description['USER']}:{description['PASSWORD']}".strip(":")
        at = f"{description['HOST'] or '127.0.0.1'}:{description['PORT'] or 5432}"
        url = f"postgres://{who}@{at}/{description['NAME']}"
    environment = os.environ | {
        "DATABASE_URL": url,
        "PORT": str(port),
        "DATA_DIR": str(settings.DATA_DIR),
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        "TOKEN_PEPPER": settings.TOKEN_PEPPER,
        "PYTHONPATH": str(settings.BASE_DIR),
    }
    portal = subprocess.Popen(
        [sys.executable, "-m", "portal.web_server"], env=environment
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with suppress(OSError), closing(socket.create_connection(("127.0.0.1", port))):
            return portal
        time.sleep(0.1)
    portal.terminate()
    raise RuntimeError("The portal did not start.")


def post_all(port: int, secret: str, bodies: Sequence[bytes]) -> None:
    """Post bodies over one connection."""
    headers = {
        "Authorization": f"Bearer {secret}",
        "Content-Type": "application/json",
        "Content-Encoding": "gzip",
    }
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as client:
        for body in bodies:
            client.request("POST", USAGE_PATH, body, headers)
            answer = client.getresponse()
            result = json.loads(answer.read())
            assert (answer.status, result["accepted"]) == (200, HTTP_BATCH), result


def through_http(secret: str, count: int) -> tuple[float, float]:
    """Measure HTTP with gzipped batches; return records per second, and the MiB by which a worker grew."""
    packed = [
        gzip.compress(report.to_bytes(), compresslevel=1)
        for report in batches(records(10**7, count), HTTP_BATCH)
    ]
    port = free_port()
    portal = start_portal(port)
    try:
        warm = packed[: len(packed) // 4]
        rest = packed[len(warm) :]
        share = [rest[number::CLIENTS] for number in range(CLIENTS)]
        with ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(lambda some: post_all(port, secret, some), [warm]))
            began = worker_mib(portal.pid)
            rate = per_second(
                len(rest) * HTTP_BATCH,
                lambda: list(
                    pool.map(lambda some: post_all(port, secret, some), share)
                ),
            )
        return rate, worker_mib(portal.pid) - began
    finally:
        portal.terminate()
        portal.wait(30)


def worker_mib(parent: int) -> float:
    """Return the resident MiB of a process's largest child."""
    table = subprocess.check_output(["ps", "-o", "rss=", "--ppid", str(parent)])
    return max(map(int, table.split()), default=0) / 1024


def run() -> list[str]:
    """Measure in turns; return medians and their ratios to the bare COPY."""
    count = int(os.environ.get("RECORDS", "100000"))
    credentials = [
        issue_credential(Actor.system("edge-credential"), name=f"edge-{n}", now=NOW)
        for n in range(1, EDGES + 1)
    ]
    issued = credentials[0]
    rounds = [in_process(issued.edge, count) for _ in range(ROUNDS)]
    median = {name: sorted(r[name] for r in rounds)[ROUNDS // 2] for name in rounds[0]}
    http_rate, grown = through_http(issued.secret, count)
    median["HTTP, batches of 1,000"] = http_rate
    bare = median["bare COPY"]
    lines = [
        f"{name:24} {rate:10,.0f} records per second, {rate / bare:.2f} of the bare COPY"
        for name, rate in median.items()
    ]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    lines.append(f"memory: this process at most {peak:.0f} MiB")
    lines.append(
        f"memory: the portal's largest worker grew by {grown:.1f} MiB over HTTP"
    )
    return lines
