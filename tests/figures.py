"""What tests measured, and the seeds that they used: printed at the end of a run.

Loaded by conftest.py.
"""

from collections.abc import Callable

import pytest

FIGURES = "figures"


@pytest.fixture
def note_figures(
    record_property: Callable[[str, object], None],
) -> Callable[[object], None]:
    """Return a function that keeps a line for the end of the run, also if the test fails."""

    def keep(line: object) -> None:
        record_property(FIGURES, str(line))

    return keep


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the kept lines, with the name and the duration of each test."""
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            lines = [line for name, line in report.user_properties if name == FIGURES]
            if lines:
                test = report.nodeid.rpartition("::")[2]
                text = "; ".join(lines)
                terminalreporter.write_line(f"{test}: {text}; {report.duration:.0f} s")
