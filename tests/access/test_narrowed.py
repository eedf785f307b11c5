"""Users and tokens that are limited to other services learn of a service from no path of the API."""

from dataclasses import replace

import pytest

from tests.access.asking import path_of
from tests.access.routes import Route, all_routes, client_for
from tests.factories.keys import key_of
from tests.factories.world import World

EDGE = "api/edge/"
ROUTES = [
    route
    for route in all_routes()
    if route.is_api and "GET" in route.spoken and not route.pattern.startswith(EDGE)
]


@pytest.fixture
def narrowed(world):
    """Return the world with a superuser's token that is limited to another service."""
    limited = key_of(world.people["superuser"], services=("x" * 22,))
    return replace(world, keys={**world.keys, "limited": limited})


@pytest.mark.parametrize("person", ["outside", "limited"])
@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.pattern)
def test_no_answer_names_a_service_that_the_reader_may_not_see(
    route: Route, person, narrowed: World
):
    path = path_of(route, narrowed)

    answer = client_for(person, route, narrowed).get(path)

    assert narrowed.shop.pk not in answer.content.decode().replace(path, "")
    assert answer.status_code != 200 or narrowed.shop.pk not in path.partition("?")[0]
