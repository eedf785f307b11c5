"""Names each missing program in one line with its remedy; with CI=true no test may be skipped.

Loaded by conftest.py. A test that drives a browser is marked `browser`, one that needs HAProxy
`haproxy`, one that runs Fastly's command line `fastly`; `program("browser")` is the path to start.
Tests marked `nightly` run only if -m selects them.
"""

import os
import shutil
from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

import pytest

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)
IN_CI = os.environ.get("CI", "").lower() in {"1", "true", "yes"}


@dataclass(frozen=True, slots=True)
class Needed:
    """A program that tests with a marker need: its possible commands, and how to install it."""

    name: str
    commands: tuple[str, ...]
    remedy: str


ROOT = Path(__file__).resolve().parents[1]
NEEDED = {
    "browser": Needed(
        "Chromium",
        # The first has no interface of its own, and needs two thirds of the CPU time.
        (
            "chromium-headless-shell",
            "chromium",
            "chromium-browser",
            "google-chrome",
            "google-chrome-stable",
        ),
        "sudo apt-get install chromium",
    ),
    "haproxy": Needed(
        "HAProxy", ("haproxy", "/usr/sbin/haproxy"), "sudo apt-get install haproxy"
    ),
    "systemd": Needed(
        "systemd-analyze", ("systemd-analyze",), "sudo apt-get install systemd"
    ),
    "postgresql": Needed(
        "PostgreSQL",
        ("pg_ctl", *map(str, Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))),
        "sudo apt-get install postgresql",
    ),
    # Only this version: what it prints is compared.
    "fastly": Needed(
        "Fastly", (str(ROOT / "var/fastly-cli/fastly"),), ".ci/fastly-cli"
    ),
}


@cache
def program(marker: str) -> str | None:
    """Return the path of the program that tests with this marker need; None if it is missing.

    The environment can name it: CHROMIUM=/path, HAPROXY=/path.
    """
    needed = NEEDED[marker]
    named = os.environ.get(needed.name.upper())
    found = (shutil.which(command) for command in (named, *needed.commands) if command)
    return next((path for path in found if path), None)


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers, and deselect nightly tests unless they are selected."""
    config.addinivalue_line("markers", "haproxy: drives a real HAProxy")
    config.addinivalue_line(
        "markers", "postgresql: starts a PostgreSQL server of its own"
    )
    config.addinivalue_line("markers", "fastly: runs Fastly's command line")
    config.addinivalue_line("markers", "systemd: lets systemd verify a unit")
    if not config.option.markexpr:
        config.option.markexpr = "not nightly"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests whose program is missing, and name the command that installs it."""
    for marker, needed in NEEDED.items():
        if program(marker) is None:
            reason = f"{needed.name} is missing. Install it with: {needed.remedy}"
            for item in items:
                if item.get_closest_marker(marker):
                    item.add_marker(pytest.mark.skip(reason=reason))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[
    None, pytest.TestReport, pytest.TestReport
]:
    """With CI=true, turn a skipped test into a failed one."""
    report = yield
    return _failed_in_ci(report)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[
    None, pytest.CollectReport, pytest.CollectReport
]:
    """With CI=true, turn a skipped module into a failed one."""
    report = yield
    return _failed_in_ci(report)


def _failed_in_ci(report: Report) -> Report:
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"With CI=true no test may be skipped. {_reason(report)}"
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what did not run, one line per reason."""
    skipped = terminalreporter.stats.get("skipped", [])
    for reason, count in Counter(_reason(report) for report in skipped).items():
        tests = "1 test" if count == 1 else f"{count} tests"
        terminalreporter.write_line(f"Not run: {tests}. {reason}", yellow=True)


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Return the reason why a test was skipped."""
    why = (
        report.longrepr[2]
        if isinstance(report.longrepr, tuple)
        else str(report.longrepr)
    )
    return why.removeprefix("Skipped: ")
