"""One running stack for all stories of a worker, and a browser for each module."""

import pytest

from tests.stories.chromium import chromium
from tests.stories.stack import running


@pytest.fixture(scope="session")
def stack(tmp_path_factory):
    """Run everything once."""
    with running(tmp_path_factory.mktemp("story")) as stack:
        yield stack


@pytest.fixture(scope="module")
def browser():
    """Start the browser once a module: while it lives, its event loop is in every other test's way."""
    with chromium() as browser:
        yield browser
