"""What the tests of the commands share."""

import pytest

from products.services.models import Version
from tests.factories.services import BackendFactory, VersionFactory


@pytest.fixture
def version(shop) -> Version:
    """Return a draft with the backend `origin`."""
    draft = VersionFactory.create(service=shop, number=3)
    BackendFactory.create(version=draft, name="origin", address="old.example.com")
    return draft
