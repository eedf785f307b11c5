"""The commands of the Makefile, and those that the documentation names."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_make_without_a_target_lists_every_command():
    makefile = (ROOT / "Makefile").read_text()
    (phony,) = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)

    said = subprocess.run(
        ["make", "--no-print-directory"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    named = set(re.findall(r"^  make (\S+) +\S.*\.$", said, re.MULTILINE))
    assert named == set(phony.split()) - {"environment", "environment-dev"}


def test_every_command_in_the_documentation_exists():
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    pages = [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")]

    named = {
        command
        for page in pages
        if page.exists()
        for command in re.findall(r"`make ([a-z-]+)", page.read_text())
    }

    assert named - targets == set()
    assert {"run", "test"} <= named
