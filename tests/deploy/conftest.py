"""What the tests of the proxy share."""

import pytest

from tests.deploy.production import production


@pytest.fixture(scope="session")
def portal(tmp_path_factory):
    """Return the portal in production; an address may get 40 errors, and no domain is verified."""
    folder = tmp_path_factory.mktemp("production")
    settings = {"MAX_ERRORS_PER_ADDRESS": "40", "DOMAIN_VERIFICATION": "off"}
    with production(folder, **settings) as running:
        yield running
