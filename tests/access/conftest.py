"""The world that every address is asked in."""

import pytest
from django.core.cache import cache

from tests.factories.standing import standing_world, world

__all__ = ["standing_world", "world"]


@pytest.fixture(autouse=True)
def _nothing_counted():
    """Begin each test with whole budgets of writes and of tries."""
    cache.clear()
