"""`python -m bench [NAME …]`: run the benchmarks, each on a database of its own."""

import importlib
import os
import sys

import django
from django.db import connection
from django.test.utils import setup_test_environment

NAMES = ("decision", "trail", "ingest")


def main() -> None:
    """Make a test database, run what was named, and take the database away."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    setup_test_environment()
    for name in sys.argv[1:] or NAMES:
        old = connection.settings_dict["NAME"]
        connection.creation.create_test_db(verbosity=0, autoclobber=True)
        try:
            print(f"== {name}, {connection.vendor}", flush=True)  # noqa: T201
            for line in importlib.import_module(f"bench.{name}").run():
                print(f"   {line}", flush=True)  # noqa: T201
        finally:
            connection.creation.destroy_test_db(old, verbosity=0)


if __name__ == "__main__":
    main()
