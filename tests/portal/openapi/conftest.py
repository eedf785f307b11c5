"""Leaves out what is slow to collect."""

from pathlib import Path

import pytest


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Collect the nightly test only if it is asked for: that alone takes a minute."""
    is_slow = collection_path.name == "test_conformance_at_length.py"
    return True if is_slow and config.option.markexpr != "nightly" else None
