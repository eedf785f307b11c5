"""One world for all tests of a module: it is built once, and each test's changes are rolled back."""

import pytest
import time_machine

from tests.factories import NOW
from tests.factories.rolled_back import rolled_back
from tests.factories.world import build_world


@pytest.fixture(scope="module")
def shared_world(django_db_setup, django_db_blocker):
    """Build the world before the module's first test and remove it after the last."""
    with django_db_blocker.unblock(), rolled_back():
        # At exactly NOW, so that nothing in it is later than the start of a test.
        with time_machine.travel(NOW, tick=False):
            built = build_world()
        yield built


@pytest.fixture
def world(shared_world, db, settings):
    """Return the module's world as it was built, on the day on which its data were made.

    `db` rolls back what a test changes. A re-authentication lasts as long as all tests of a module
    on a slow machine.
    """
    settings.REAUTHENTICATION_SECONDS = 24 * 3600
    with time_machine.travel(NOW, tick=True):
        yield shared_world
