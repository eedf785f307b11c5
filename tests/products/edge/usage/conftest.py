"""What the tests of the usage store share."""

import pytest


@pytest.fixture
def root(tmp_path):
    """The folder of all instances."""
    return tmp_path / "usage"
