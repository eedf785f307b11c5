"""Runs Fastly's command line, and writes what it printed in the form of `fastly_cli.txt`.

A line `PERSON$ ARGUMENTS` is a command of that person. The lines up to the next command are what
it printed, and `exit N` if it failed. Ids are numbered as they first appear, and a command may name
one by its number: `<id 1>`. Times are `<time>`; in a command `<token>` is the person's token.
"""

import os
import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

FILE = Path(__file__).with_name("fastly_cli.txt")
COMMAND = re.compile(r"(?P<person>\w+)\$ (?P<arguments>.+)")
ID = re.compile(r"\b[0-9A-Za-z]{22}\b")
# What the program adds to errors.
ADDED = ("If you believe this error", "This error may indicate", "RateLimit")
NAMED = re.compile(r"<id \d+>")
TIME = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}Z?)?")


def commands() -> Iterator[tuple[str, str]]:
    """Return the person and the arguments of each command in the file."""
    for line in FILE.read_text().splitlines():
        if found := COMMAND.fullmatch(line):
            yield found["person"], found["arguments"]


@dataclass(frozen=True, slots=True)
class CommandLine:
    """The program with an API, the people's tokens and a folder for its settings."""

    program: str
    api: str
    tokens: Mapping[str, str]
    home: Path
    ids: dict[str, str] = field(default_factory=dict)

    def transcript(self) -> str:
        """Run every command of the file; return the file with what they print now."""
        return "\n".join(self.run(*each) for each in commands())

    def run(self, person: str, arguments: str) -> str:
        """Run a command; return it with what it printed."""
        known = {name: value for value, name in self.ids.items()}
        given = NAMED.sub(lambda found: known[found[0]], arguments)
        given = given.replace("<token>", self.tokens[person])
        done = subprocess.run(
            [self.program, "--non-interactive", *shlex.split(given)],
            env={
                "FASTLY_API_ENDPOINT": self.api,
                "FASTLY_ACCOUNT_ENDPOINT": self.api,
                "FASTLY_API_TOKEN": self.tokens[person],
                "HOME": str(self.home),
                "PATH": os.defpath,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        lines = [f"{person}$ {arguments}", *self.without_times(done.stdout)]
        if done.returncode:
            lines.append(f"exit {done.returncode}")
        return "\n".join(lines) + "\n"

    def without_times(self, printed: str) -> Iterator[str]:
        """Return the lines, without what differs in each run and without blank ones."""
        printed = printed.replace(self.api, "<api>").replace(str(self.home), "~")
        for line in TIME.sub("<time>", printed).splitlines():
            if line.strip() and not line.strip().startswith(ADDED):
                yield ID.sub(self._number, line).rstrip()

    def _number(self, found: re.Match[str]) -> str:
        return self.ids.setdefault(found[0], f"<id {len(self.ids) + 1}>")
