"""The rules about skipped tests, in separate runs of pytest."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TESTS = """
import pytest

def test_runs():
    pass

@pytest.mark.browser
def test_drives_a_browser():
    pass

@pytest.mark.browser
def test_drives_another():
    pass

@pytest.mark.nightly
def test_takes_long():
    pass
"""


@pytest.fixture
def run_tests(tmp_path):
    """Return a function that runs pytest on the tests above, without a browser in PATH."""

    def run(*arguments, source=TESTS, **environment):
        (tmp_path / "test_some.py").write_text(source)
        (tmp_path / "pytest.ini").write_text(
            "[pytest]\nmarkers =\n  browser: drives Chromium\n  nightly: takes long\n"
        )
        return subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "-q", "-p", "no:django"),
                *(
                    "-p",
                    "tests.ci_rules",
                    "-p",
                    "no:cacheprovider",
                    *arguments,
                    tmp_path,
                ),
            ],
            cwd=ROOT,
            env={
                "PATH": str(tmp_path),
                "PYTHONPATH": str(ROOT),
                "HOME": os.environ["HOME"],
            }
            | environment,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_a_missing_program_is_named_in_one_line_with_its_remedy(run_tests):
    result = run_tests()

    lines = [line for line in result.stdout.splitlines() if line.startswith("Not run")]
    assert result.returncode == 0
    assert lines == [
        "Not run: 2 tests. Chromium is missing. Install it with: sudo apt-get install chromium"
    ]


@pytest.mark.parametrize("arguments", [[], ["-n", "1"]], ids=["one process", "xdist"])
def test_in_ci_a_skipped_test_fails(run_tests, arguments):
    result = run_tests(*arguments, CI="true")

    assert result.returncode == 1
    assert "2 errors" in result.stdout
    assert "With CI=true no test may be skipped. Chromium is missing" in result.stdout


def test_in_ci_a_skipped_module_fails(run_tests):
    source = "import pytest\npytest.skip('not today', allow_module_level=True)\n"

    result = run_tests(source=source, CI="true")

    assert result.returncode == 2
    assert "With CI=true no test may be skipped. not today" in result.stdout


def test_in_ci_an_expected_failure_is_accepted(run_tests):
    source = "import pytest\n\n@pytest.mark.xfail\ndef test_a(): raise ValueError\n"

    result = run_tests(source=source, CI="true")

    assert result.returncode == 0
    assert "1 xfailed" in result.stdout


def test_the_nightly_tests_run_only_on_request(run_tests):
    without = run_tests("--collect-only")
    alone = run_tests("-m", "nightly", "--collect-only")

    assert "test_takes_long" not in without.stdout
    assert "test_takes_long" in alone.stdout


def test_the_environment_can_name_the_browser(run_tests):
    result = run_tests(CHROMIUM=sys.executable)

    assert result.returncode == 0
    assert "3 passed" in result.stdout


def test_a_test_that_hangs_fails_with_its_traceback(run_tests):
    hangs = "import time\n\ndef test_hangs():\n    time.sleep(600)\n\ndef test_runs():\n    pass\n"
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    of_pytest = settings["tool"]["pytest"]["ini_options"]
    exits = str(of_pytest["faulthandler_exit_on_timeout"]).lower()
    options = {"faulthandler_timeout": "1", "faulthandler_exit_on_timeout": exits}
    assert of_pytest["faulthandler_timeout"] >= 600  # a machine may be slow

    given = [part for each in options.items() for part in ("-o", "=".join(each))]
    result = run_tests("-n", "1", *given, source=hangs)

    assert result.returncode == 1
    assert 'test_some.py", line 4 in test_hangs' in result.stderr
    assert "1 failed, 1 passed" in result.stdout
