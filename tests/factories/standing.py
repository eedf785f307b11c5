"""One world for all tests of a module: built once, and each test's changes are taken back."""

import pytest

from tests.factories.undone import undone
from tests.factories.world import build_world


@pytest.fixture(scope="module")
def standing_world(django_db_setup, django_db_blocker):
    """Build the world before the module's first test, and take it away after the last."""
    with django_db_blocker.unblock(), undone():
        yield build_world()


@pytest.fixture
def world(standing_world, db):
    """Return the module's world as it was built; what a test changes, `db` takes back."""
    return standing_world
