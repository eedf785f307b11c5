"""The script that creates .venv: which Python it uses, and when it does nothing."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOO_OLD = "#!/bin/sh\n[ \"$1\" = -V ] && echo 'Python 3.9.2' && exit 0\nexit 1\n"
GOOD = f'#!/bin/sh\nexec {sys.executable} "$@"\n'
# A replacement for uv that needs no network.
UV = """#!/bin/sh
case "$1" in
venv) exec "$4" -m venv --without-pip "$5" ;;
pip) ! grep -q missing "$8" ;;
esac
"""
# Debian without python3-venv: `python -m venv` fails and leaves a folder behind.
WITHOUT_VENV = f"""#!/bin/sh
case "$*" in
*ensurepip*) exit 1 ;;
*) exec {sys.executable} "$@" ;;
esac
"""


@pytest.fixture
def clone(tmp_path):
    """Return a folder with the script and two empty lock files."""
    folder = tmp_path / "clone"
    (folder / ".ci").mkdir(parents=True)
    shutil.copy(ROOT / ".ci" / "environment", folder / ".ci")
    (folder / "requirements.txt").write_text("# nothing\n")
    (folder / "requirements-dev.txt").write_text("# nothing for tests\n")
    return folder


@pytest.fixture
def commands(tmp_path):
    """Return the folder of the fake interpreters."""
    return tmp_path / "commands"


@pytest.fixture
def make_environment(clone, commands):
    """Return a function that runs the script with fake interpreters before the system's."""

    def run(lock="requirements.txt", python=None, **interpreters):
        shutil.rmtree(commands, ignore_errors=True)
        commands.mkdir()
        for name, source in interpreters.items():
            path = commands / name.replace("_", ".")
            path.write_text(source)
            path.chmod(0o755)
        environment = {"PATH": f"{commands}:/usr/bin:/bin", "HOME": os.environ["HOME"]}
        environment |= {"PYTHON": python} if python else {}
        return subprocess.run(
            [clone / ".ci" / "environment", lock],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_a_newer_python_is_found_if_python3_is_too_old(
    clone, make_environment, commands
):
    result = make_environment(
        python3=TOO_OLD, python3_14=TOO_OLD, python3_13=GOOD, uv=UV
    )

    assert (result.returncode, result.stdout) == (0, "")
    assert result.stderr.splitlines() == [
        f"Creating .venv with {commands / 'python3.13'}.",
        "Installing the packages of requirements.txt into .venv; this is needed once.",
    ]
    assert (clone / ".venv" / "requirements.txt.stamp").read_text() == "# nothing\n"


def test_a_python_that_is_too_old_is_named_and_nothing_is_left(clone, make_environment):
    result = make_environment(python="oldpython", oldpython=TOO_OLD)

    assert result.returncode == 1
    assert result.stderr.startswith(
        "Tollgate needs Python 3.11 or newer; oldpython is: Python 3.9.2.\n"
    )
    assert "make run PYTHON=/path/to/python3.11" in result.stderr
    assert not (clone / ".venv").exists()


def test_without_the_venv_module_the_command_that_installs_it_is_printed(
    clone, make_environment
):
    (clone / ".venv" / "bin").mkdir(parents=True)

    result = make_environment(python3=WITHOUT_VENV)

    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert result.returncode == 1
    assert result.stderr.endswith(
        f"fix it with: sudo apt-get install python{version}-venv\n"
    )
    assert not (clone / ".venv").exists()


def test_an_incomplete_environment_is_created_again_and_later_starts_do_nothing(
    clone, make_environment
):
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", clone / ".venv"], check=True
    )

    first = make_environment(python3=GOOD)
    second = make_environment(python3="#!/bin/sh\nexit 1\n")
    (clone / "requirements.txt").write_text("# another\n")
    third = make_environment(python3="#!/bin/sh\nexit 1\n")

    assert [first.returncode, second.returncode, third.returncode] == [0, 0, 0]
    assert (second.stdout, second.stderr) == ("", "")
    assert third.stderr.startswith("Installing")
    assert (clone / ".venv" / "requirements.txt.stamp").read_text() == "# another\n"


def test_a_failed_installation_is_tried_again_at_the_next_start(
    clone, make_environment
):
    (clone / "requirements.txt").write_text("./missing --hash=sha256:00\n")

    result = make_environment(python3=GOOD, uv=UV)

    assert result.returncode == 1
    assert (
        "Not all packages of requirements.txt could be installed, see above."
        in result.stderr
    )
    assert not (clone / ".venv" / "requirements.txt.stamp").exists()


def test_the_development_lock_includes_the_portals_environment(clone, make_environment):
    made = make_environment("requirements-dev.txt", python3=GOOD, uv=UV)
    again = make_environment("requirements.txt")

    assert [made.returncode, again.returncode] == [0, 0]
    assert again.stderr == ""


def test_the_development_lock_has_every_pin_of_the_portals_lock():
    def pins(name):
        return set(re.findall(r"^\S+==\S+", (ROOT / name).read_text(), re.MULTILINE))

    assert pins("requirements.txt") - pins("requirements-dev.txt") == set()


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_every_pin_has_a_hash_and_no_lock_names_an_index(name):
    lines = (ROOT / name).read_text().splitlines()

    unhashed = [
        line
        for line, following in zip(lines, [*lines[1:], ""], strict=True)
        if "==" in line and not following.strip().startswith("--hash=sha256:")
    ]

    assert unhashed == []
    assert [
        line for line in lines if "://" in line or "index" in line.split("=")[0]
    ] == []
