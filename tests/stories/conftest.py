"""Running stacks for all stories of a pytest worker, and a browser for each module."""

import pytest

from tests.browser import chromium
from tests.stories.stack import running


@pytest.fixture(scope="package")
def stack(tmp_path_factory, demo):
    """Run everything once, and only as long as there are stories."""
    with running(tmp_path_factory.mktemp("story"), demo) as stack:
        yield stack


@pytest.fixture(scope="package")
def own_stack(tmp_path_factory, demo):
    """Run everything a second time, for stories after which others could not sign in or be billed."""
    with running(tmp_path_factory.mktemp("own"), demo) as stack:
        yield stack


@pytest.fixture(scope="module")
def browser():
    """Start the browser once per module; its event loop would disturb tests of other modules."""
    with chromium() as browser:
        yield browser
