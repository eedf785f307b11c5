"""Fastly's command line against the running portal: what it prints, and its exit status."""

import pytest

from tests.ci_rules import program
from tests.stories.fastly_cli import FILE, CommandLine
from tests.stories.stack import Stack

pytestmark = pytest.mark.fastly


@pytest.fixture
def command_line(stack: Stack, tmp_path) -> CommandLine:
    """Return the program with everyone's tokens."""
    tokens = {name: each["token"] for name, each in stack.demo["people"].items()}
    return CommandLine(program("fastly"), f"{stack.portal}/api", tokens, tmp_path)


def test_each_command_prints_what_the_file_says(command_line: CommandLine, tmp_path):
    printed = command_line.transcript()

    now = tmp_path / FILE.name
    now.write_text(printed)
    assert printed == FILE.read_text(), f"What it printed now is in {now}."
