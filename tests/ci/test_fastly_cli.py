"""`.ci/fastly-cli` downloads Fastly's command line for the tests, or says in one line why not."""

import platform
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(
    (platform.system(), platform.machine()) != ("Linux", "x86_64"),
    reason="Fastly's program for the tests is the one for Linux on x86-64.",
)
NPM = """#!/bin/sh
while [ "$1" != --pack-destination ]; do shift; done
echo other >"$2/fastly-cli-linux-x64-16.1.0.tgz"
"""


@pytest.fixture
def project(tmp_path):
    (tmp_path / ".ci").mkdir()
    for name in ("fastly-cli", "fastly-cli.sha512"):
        shutil.copy(ROOT / ".ci" / name, tmp_path / ".ci" / name)
    (tmp_path / "bin").mkdir()
    for command in ("cmp", "dirname", "mkdir", "rm", "sha512sum", "uname"):
        (tmp_path / "bin" / command).symlink_to(str(shutil.which(command)))
    return tmp_path


def refusal(project: Path) -> str:
    """Return why it is not installed, which is all that the script says."""
    done = subprocess.run(
        [project / ".ci/fastly-cli"],
        env={"PATH": str(project / "bin")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    return line.removeprefix("Fastly's command line is not installed: ")


def test_without_npm_it_names_the_remedy(project):
    assert refusal(project) == (
        "npm is missing. Install it with: sudo apt-get install npm"
    )


def test_another_file_than_the_expected_one_is_not_installed(project):
    npm = project / "bin" / "npm"
    npm.write_text(NPM)
    npm.chmod(0o755)

    assert refusal(project) == (
        "fastly-cli-linux-x64-16.1.0.tgz is not the expected file."
    )
    assert not (project / "var/fastly-cli/fastly").exists()
