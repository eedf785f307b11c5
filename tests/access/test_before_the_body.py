"""Permission is decided before a body is read: a refusal is the same for every body."""

import json
from itertools import cycle

import pytest

from tests.access.asking import path_of, read_table
from tests.access.bodies import GIVEN
from tests.access.routes import (
    METHODS,
    OF_AN_ACCOUNT,
    PEOPLE,
    Route,
    all_routes,
    client_for,
)
from tests.factories.rolled_back import rolled_back
from tests.factories.world import World

JSON = "application/json"
FIELDS = [
    "name",
    "comment",
    "data",
    "type",
    "role",
    "entries",
    "items",
    "url",
    "content",
]
BODIES = {
    "empty": (b"", JSON),
    "malformed": (b'{"name": ', JSON),
    "a list": (b"[1]", JSON),
    "of wrong types": (json.dumps({key: {"a": [1]} for key in FIELDS}).encode(), JSON),
    "not UTF-8": (b"name=%ff%fe", "application/x-www-form-urlencoded"),
}
# A body says with which password a token is created, and what of their own a user changes.
BY_THE_BODY = {
    (route, method, person)
    for route, method, people in [
        ("api/tokens", "POST", PEOPLE),
        ("api/user/<str:user_id>", "PUT", ["user"]),
    ]
    for person in people
}


def refused_writes() -> list[tuple[Route, str, dict[str, int]]]:
    found = []
    for route in all_routes():
        # Elsewhere 404 is what a body names.
        statuses = {403, 404} if route.parameters & OF_AN_ACCOUNT else {403}
        for method in METHODS[1:] if route.is_api else ():
            row = zip(PEOPLE, read_table()[route.pattern, method], strict=True)
            refused = {
                person: status
                for person, status in row
                if status in statuses
                and (route.pattern, method, person) not in BY_THE_BODY
            }
            if refused:
                found.append((route, method, refused))
    return found


@pytest.mark.parametrize(
    "route, method, refused",
    [
        pytest.param(*each, id=f"{each[1]} {each[0].pattern}")
        for each in refused_writes()
    ],
)
def test_a_refusal_is_the_same_for_every_body(route, method, refused, world):
    # Those with the same status are refused in the same place, so they take turns.
    asked = [
        (person, body)
        for status in sorted(set(refused.values()))
        for person, body in zip(
            cycle(each for each in refused if refused[each] == status), BODIES
        )
    ]

    answers = {
        (person, body): status_of(route, method, person, world, body)
        for person, body in asked
    }

    assert answers == {(person, body): refused[person] for person, body in answers}


def status_of(route: Route, method: str, person: str, world: World, body: str) -> int:
    with rolled_back():
        if step := GIVEN.get((route.pattern, method)):
            step(world, world.people["superuser"])
        client = client_for(person, route, world)
        content, content_type = BODIES[body]
        path = path_of(route, world)
        return client.generic(method, path, content, content_type).status_code
