"""The world that every address is asked in."""

import pytest
from django.core.cache import cache

from tests.factories.shared_world import shared_world, world

__all__ = ["shared_world", "world"]


@pytest.fixture(autouse=True)
def _nothing_counted():
    """Begin each test with whole budgets of writes and of tries."""
    cache.clear()
