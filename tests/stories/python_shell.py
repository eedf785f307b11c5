"""A Python process beside what runs, which loads the portal once for many commands."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.stories.stack import ROOT, Stack

PROGRAM = """
import contextlib, io, json, sys
import django
django.setup()
for line in sys.stdin:
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(json.loads(line), {})
    print(json.dumps(printed.getvalue()), flush=True)
"""
COMMAND = "from django.core.management import call_command; call_command(*{words!r})"


class PythonShell:
    """Runs code on the database of a stack."""

    def __init__(self, stack: Stack) -> None:
        """Start the process."""
        self._errors = stack.data_dir / "shell"
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM],
                cwd=ROOT,
                env={
                    **stack.environment,
                    "DJANGO_SETTINGS_MODULE": "portal.settings",
                },
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def run(self, code: str) -> str:
        """Run code; return what it prints. Fails with its error."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(code) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, self._errors.read_text()
        return str(json.loads(line))

    def manage(self, *words: str) -> str:
        """Run a command of manage.py; return what it prints."""
        return self.run(COMMAND.format(words=words))

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


@contextmanager
def python_shell(stack: Stack) -> Iterator[PythonShell]:
    """Start a process beside a stack; end it afterwards."""
    shell = PythonShell(stack)
    try:
        yield shell
    finally:
        shell.close()
