"""A process that calls the API from ten threads at the same time with one `Idempotency-Key`, as ordered.

Each line on standard input is an order: a key and a comment. Each gets a line of JSON: the status
and the body of each thread's final response, and how often it was 409 before.
"""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from django.conf import settings
from django.test import Client

THREADS = 10
CONFLICT = 409


def call(service: str, token: str, key: str, comment: str) -> tuple[int, str, int]:
    """Create a version; repeat the call while the first one runs."""
    client = Client(headers={"Fastly-Key": token, "Idempotency-Key": key})
    path = f"/api/service/{service}/version"
    for repeated in range(1_000):
        response = client.post(
            path, f"comment={comment}", "application/x-www-form-urlencoded"
        )
        if response.status_code != CONFLICT:
            return response.status_code, response.content.decode(), repeated
        time.sleep(0.01)
    raise TimeoutError


def main(_account_id: str, service: str, token: str) -> None:
    """Carry out one order per line until the input ends."""
    settings.ALLOWED_HOSTS = ["testserver"]
    with ThreadPoolExecutor(THREADS) as pool:
        print("ready", flush=True)  # noqa: T201 - the test that started this reads it
        for order in sys.stdin:
            key, comment = order.split()
            made = [
                pool.submit(call, service, token, key, comment) for _ in range(THREADS)
            ]
            print(json.dumps([each.result() for each in made]), flush=True)  # noqa: T201
