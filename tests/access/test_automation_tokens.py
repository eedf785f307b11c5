"""An automation token gets what a member of its role gets, on every route of the API."""

from dataclasses import replace

import pytest

from tests.access.asking import ask, read_table
from tests.access.routes import PEOPLE, Route, all_routes

# Where a user is needed: there is none of the token, and no password of one.
DIFFERS = {
    ("api/current_user", "GET"): 404,
    ("api/invitations", "POST"): 403,
    ("api/sudo", "POST"): 401,
    ("api/tokens", "POST"): 401,
    ("api/user", "POST"): 403,
}
ROUTES = [route for route in all_routes() if route.is_api]


@pytest.fixture
def automated(world):
    """Return the world with its automation token as one more person."""
    return replace(world, keys={**world.keys, "automation": world.automation_key})


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.pattern)
def test_it_gets_what_an_engineer_gets(route: Route, automated):
    table = read_table()
    column = PEOPLE.index("engineer")

    answers = {
        method: ask(route, method, "automation", automated).status
        for method in route.spoken
    }

    assert answers == {
        method: DIFFERS.get(
            (route.pattern, method), table[route.pattern, method][column]
        )
        for method in route.spoken
    }
