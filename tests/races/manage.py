"""Runs a command of `manage.py`, for a test that needs several and not their time to load."""

import io
import json
from contextlib import redirect_stdout

from django.core.management import CommandError, call_command
from django.db import connections


def main(_account_id: str, *words: str) -> None:
    """Run the command; print its exit status and all that it prints as JSON."""
    status = 0
    with redirect_stdout(io.StringIO()) as printed:
        try:
            call_command(*words)
        except CommandError as error:
            status = error.returncode
            print(error)  # noqa: T201
    connections.close_all()  # so that the next command does not meet them
    print(json.dumps([status, printed.getvalue()]))  # noqa: T201 - the test reads it
