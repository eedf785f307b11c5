"""`python -m bench [NAME …]`: run benchmarks, each on a new test database."""

import argparse
import importlib
import os

import django
from django.db import connection
from django.test.utils import setup_test_environment

from tests.factories.sessions import use_secret_cookies

# Each name is a module of this package, and what it measures.
BENCHMARKS = {
    "decision": "decisions per second, beside django-guardian's has_perm",
    "api": "the API's calls, beside a bare Django view; PARTS=200 TIMES=300",
    "pages": "time to first byte of pages, on PostgreSQL; ACCOUNTS=100000 CONNECTIONS=0,3000",
    "audit_trail": "the admin's pages of the trail, and verification; EVENTS=100000",
    "ingest": "usage records per second, beside COPY; RECORDS=100000",
    "month_close": "closing a month, on PostgreSQL, beside a bare SQL sum; CONNECTIONS=1000000",
    "usage_store": "CPU time of an edge's usage store",
    "haproxy_engine": "reloads and refusals with many services; SIZES=10,100 FLIPS=50",
    "scaling": "1,000 edges, 1,000,000 connections, on PostgreSQL; OPEN=1000000 SAMPLE=50",
    "strangers": "pages and edges' polls while strangers attack the portal; SECONDS=10",
}
DEFAULT = ("decision", "audit_trail", "ingest")


def main() -> None:
    """Run the named benchmarks and print their results."""
    names = _arguments().name or DEFAULT
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    setup_test_environment()
    use_secret_cookies()
    for name in names:
        _run(name)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Run benchmarks. Sizes come from the environment.",
        epilog="\n".join(f"  {name:15} {what}" for name, what in BENCHMARKS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "name", nargs="*", help=f"one of those below; default: {', '.join(DEFAULT)}"
    )
    arguments = parser.parse_args()
    for name in arguments.name:
        if name not in BENCHMARKS:
            parser.error(f"there is no benchmark {name!r}")
    return arguments


def _run(name: str) -> None:
    database = connection.settings_dict["NAME"]
    connection.creation.create_test_db(verbosity=0, autoclobber=True)
    try:
        print(f"== {name}, {connection.vendor}", flush=True)  # noqa: T201
        for line in importlib.import_module(f"bench.{name}").run():
            print(f"   {line}", flush=True)  # noqa: T201
    finally:
        connection.creation.destroy_test_db(database, verbosity=0)


if __name__ == "__main__":
    main()
