"""The pages of Django's admin and allauth: who can open them, and that opening changes nothing."""

import pytest

from tests.access.asking import ask
from tests.access.routes import all_routes
from tests.access.test_matrix import TRAIL, assert_headers_are_strict, pattern

ADMIN = tuple(route for route in all_routes() if route.pattern.startswith("admin/"))
SIGN_IN = tuple(
    route for route in all_routes() if route.pattern.startswith("accounts/")
)
METHODS = ("GET", "POST", "DELETE")
# To the admin, members are alike: what one may do, the others may.
OUTSIDERS = {"GET": "user", "POST": "superuser", "DELETE": "anonymous"}
# Redirected to sign-in, refused, not found or not allowed.
SENT_AWAY = {302, 303, 403, 404, 405}
ANSWERED = {200, 302, 303, 400, 403, 404, 405, 409}
# These sign out, which is noted.
LEAVING = {"admin/logout/", "accounts/logout/"}


@pytest.mark.parametrize("route", ADMIN, ids=pattern)
def test_only_staff_can_open_the_admin(route, world):
    asked = [
        (method, person, ask(route, method, person, world))
        for method, person in OUTSIDERS.items()
    ]

    let_in = {
        (method, person, answer.status)
        for method, person, answer in asked
        if answer.status not in SENT_AWAY and route.pattern not in OPEN
    }
    assert let_in == set()
    assert {each[:2] for each in asked if each[2].is_bare} <= {
        (method, person) for method, person, _ in asked if route.pattern in OPEN
    }
    assert {
        each[:2] for each in asked if each[2].changed and not leaves(route)
    } == set()
    assert_headers_are_strict(asked)


# The admin's translations contain no data; its sign-out works for all.
OPEN = {"admin/jsi18n/", "admin/logout/"}


@pytest.mark.parametrize("route", ADMIN, ids=pattern)
def test_staff_change_nothing_by_reading_or_by_an_empty_form(route, world):
    asked = [
        (method, "staff", ask(route, method, "staff", world))
        for method in ("GET", "POST")
    ]

    # Only that staff viewed an account is noted in its trail.
    changed = {
        (method, tuple(answer.changed - TRAIL)) for method, _, answer in asked
    } - {(method, ()) for method in METHODS}
    assert changed == set()
    assert {answer.status for _, _, answer in asked} <= ANSWERED
    assert route not in STOCK or asked[-1][2].status == 403
    assert_headers_are_strict(asked)


# Django's pages that add, change and delete rows: staff change what commands change, and only so.
STOCK = tuple(
    route
    for route in ADMIN
    if route.pattern.endswith(("/add/", "/change/", "/delete/"))
    and route.pattern.count("/") > 3
)


def test_the_stock_pages_are_found():
    assert len(STOCK) > 30


@pytest.mark.parametrize("route", SIGN_IN, ids=pattern)
def test_the_pages_of_signing_in_answer_everybody_and_change_nothing_by_looking(
    route, world
):
    asked = [
        (method, person, ask(route, method, person, world))
        for method in METHODS
        for person in ("anonymous", "superuser")
    ]

    assert {answer.status for _, _, answer in asked} <= ANSWERED
    changed = {
        (method, person, tuple(answer.changed))
        for method, person, answer in asked
        if method != "POST" and answer.changed
    }
    assert changed == set()
    assert_headers_are_strict(asked)


def leaves(route) -> bool:
    return route.pattern in LEAVING
