"""Every POST without the CSRF token is refused, so that another site cannot send it."""

import pytest
from django.conf import settings

from tests.access.asking import path_of
from tests.access.bodies import BODIES
from tests.access.routes import all_routes, client_for, send
from tests.access.test_matrix import pattern
from tests.factories.digests import writes_noted

# Browsers send reports without a token; they change nothing.
PAGES = tuple(
    route
    for route in all_routes()
    if not route.is_api and route.pattern != settings.CSP_REPORTS
)


@pytest.mark.parametrize("route", PAGES, ids=pattern)
def test_a_post_without_the_csrf_token_changes_nothing(route, world):
    sender = "staff" if route.pattern.startswith("admin/") else "superuser"
    client = client_for(sender, route, world, csrf=True)
    body = BODIES.get((route.pattern, "POST"), lambda _: {})(world)

    with writes_noted() as writes:
        response = send(client, "POST", path_of(route, world), body, api=False)

    assert response.status_code == 403
    assert writes == []


@pytest.mark.parametrize(
    "route", [each for each in all_routes() if each.is_api], ids=pattern
)
def test_the_api_ignores_cookies(route, world):
    browser = client_for("superuser", PAGES[0], world)
    method = next((each for each in route.spoken if each != "GET"), "GET")
    body = BODIES.get((route.pattern, method), lambda _: {})(world)

    with writes_noted() as writes:
        send(browser, method, path_of(route, world), body, api=True)

    assert writes == []
