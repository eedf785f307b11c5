"""Sends the requests that schemathesis makes from the document, and checks every answer.

All of its checks are on. What a request changes is rolled back.
"""

import json
from collections.abc import Iterable
from typing import Any

import pytest
import schemathesis
from django.core.cache import cache
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from hypothesis import HealthCheck, Phase, settings
from schemathesis.config import SchemathesisConfig
from schemathesis.core.parameters import ParameterLocation

from portal.openapi.document import document_text
from portal.openapi.schemas import FORM
from tests.access.routes import samples
from tests.factories.rolled_back import rolled_back
from tests.factories.world import World

# Paths whose parameters are not those of most routes.
NAMES = {
    "/api/service/{service_id}/version/{number}/backend/{name}": {"name": "origin"},
    "/api/service/{service_id}/version/{number}/domain/{name}": {
        "name": "shop.example.com"
    },
}
REFUSED = ["400", "401", "403", "404", "409", "422", "429"]
CHECKS = {
    # A body of the right form can be against a rule, which is 400 or 422: a host that is none,
    # fields that exclude each other, a version that is locked.
    "positive_data_acceptance": {"expected-statuses": ["2xx", "3xx", *REFUSED]},
    # A text that is too long can make the whole body too large, which is 413.
    "negative_data_rejection": {"expected-statuses": [*REFUSED, "405", "413"]},
}
MAX_LENGTH = 1000
# Requests of the document's own examples are made when tests are collected, which takes every worker
# seconds: the nightly run has them.
EXAMPLES = settings(
    max_examples=3,
    phases=[Phase.generate, Phase.shrink],
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


def loaded(*, coverage: bool = False) -> Any:
    """Return the document as schemathesis reads it, with the portal as its server."""
    # That a request without a token is refused takes two more requests for each example. A few
    # examples are enough, which the tests without coverage have.
    checks = CHECKS | ({"ignored_auth": {"enabled": False}} if coverage else {})
    config = SchemathesisConfig.from_dict(
        {
            "checks": checks,
            "phases": {"coverage": {"enabled": coverage}},
            "generation": {"deterministic": True, "database": "none"},
        }
    )
    document = json.loads(document_text(), object_hook=without_long_limit)
    found = schemathesis.openapi.from_dict(document, config=config)
    found.app = WSGIHandler()
    return found


def without_long_limit(schema: dict[str, Any]) -> dict[str, Any]:
    """Leave a text's limit out if it is beyond `MAX_LENGTH`; the tests of fields check it.

    To read a pattern with a limit of a million characters takes seconds, each time.
    """
    limit = schema.get("maxLength", 0)
    if isinstance(limit, int) and limit > MAX_LENGTH:
        del schema["maxLength"]
    return schema


@pytest.fixture
def one_connection():
    """Keep the test's connection open, as Django's own client does; unused rate limits."""
    cache.clear()
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


def has_nested_form(case: Any) -> bool:
    """Tell whether a form has lists in lists, which are sent as Python writes them: as any text."""
    fields = case.body.values() if isinstance(case.body, dict) else ()
    values = [value for each in fields if isinstance(each, list) for value in each]
    return case.media_type == FORM and any(
        isinstance(each, list | dict) for each in values
    )


def check(case: Any, world: World, people: Iterable[str]) -> None:
    """Send a request as each of these people; fail if an answer is not as described.

    A valid path names what the world has, so that most requests are not 404. An unknown parameter
    of the query is refused, which tests of its own check, and such a request is left out.
    """
    if not {each.name for each in case.operation.query}.issuperset(case.query or {}):
        return
    if has_nested_form(case):
        return
    path = case.meta.components.get(ParameterLocation.PATH)
    if path is not None and path.mode.is_positive:
        known = samples(world) | NAMES.get(case.operation.path, {})
        # Other cases have the same dictionary, so it is not changed.
        case.path_parameters = case.path_parameters | {
            name: known[name] for name in case.path_parameters if name in known
        }
    for person in people:
        with rolled_back():
            case.call_and_validate(headers={"Fastly-Key": world.keys[person]})
