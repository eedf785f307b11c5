"""The world of the access tests."""

import pytest
from django.core.cache import cache

from tests.factories.shared_world import shared_world, world

__all__ = ["shared_world", "world"]


@pytest.fixture(autouse=True)
def _nothing_counted():
    """Start each test with unused rate limits."""
    cache.clear()
