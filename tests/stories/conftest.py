"""One running stack and one browser for all stories of a worker."""

import pytest

from tests.stories.chromium import chromium
from tests.stories.stack import running


@pytest.fixture(scope="session")
def stack(tmp_path_factory):
    """Run everything once."""
    with running(tmp_path_factory.mktemp("story")) as stack:
        yield stack


@pytest.fixture(scope="session")
def browser():
    """Start the browser once."""
    with chromium() as browser:
        yield browser
