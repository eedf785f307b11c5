"""The API of the small world, and a real edge."""

import json

import pytest
from django.core.cache import cache
from django.test import Client

from tests.factories.shared_world import shared_world, world
from tests.products.edge.conftest import shared_stand, stand

__all__ = ["shared_stand", "shared_world", "stand", "world"]


@pytest.fixture(autouse=True)
def _empty_cache():
    """Begin each test with unused rate limits and without cached origin certificates."""
    cache.clear()


@pytest.fixture
def api(world):
    """Return a function that calls the API as a person and returns status and body."""

    def call(person, method, path, body=None):
        client = Client(headers={"Fastly-Key": world.keys[person]})
        response = client.generic(
            method, path, json.dumps(body or {}).encode(), "application/json"
        )
        return response.status_code, response.json() if response.content else None

    return call
