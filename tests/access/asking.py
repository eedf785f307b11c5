"""Sends a request to a route as some people, and returns what each changed and was shown."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponseBase

from accounts.audit.models import ChainHead
from tests.access.bodies import BODIES, GIVEN, NAMES, QUERIES
from tests.access.routes import METHODS, PEOPLE, Route, address, client_for, send
from tests.factories.digests import (
    digest_of_everything,
    digest_of_written,
    writes_noted,
)
from tests.factories.rolled_back import rolled_back
from tests.factories.world import World

FIRST_ERROR = 400
CHAINS = ChainHead._meta.db_table
TABLE = Path(__file__).with_name("matrix.txt")


@dataclass(frozen=True, slots=True)
class Answer:
    """The response of a route, and which tables it changed."""

    status: int
    headers: Mapping[str, str]
    changed: frozenset[str]
    moved_acme: (
        bool  # whether Acme's trail has new entries, as after any change in Acme
    )
    leaked: frozenset[
        str
    ]  # values of Acme in the response that the request did not contain
    hides_reasons: bool  # whether Fastly's clients would not show `msg` and `detail`
    is_bare: bool  # whether a person would see no page: no heading, and no redirect


def path_of(route: Route, world: World) -> str:
    """Return a route's path, with its query if it needs one."""
    path = address(route, world, NAMES.get(route.pattern, {}))
    query = QUERIES.get(route.pattern)
    return f"{path}?{urlencode(query(world))}" if query else path


def ask(route: Route, method: str, person: str, world: World) -> Answer:
    """Send the request, and roll its changes back."""
    return ask_each(route, method, [person], world)[person]


def ask_each(
    route: Route, method: str, people: Iterable[str], world: World
) -> dict[str, Answer]:
    """Send the request as each person, from the same state, and roll all changes back."""
    key = (route.pattern, method)
    with rolled_back():
        with writes_noted() as given:
            if key in GIVEN:
                GIVEN[key](world, world.people["superuser"])
        body = BODIES[key](world) if key in BODIES else None
        before = untouched(world) | digest_of_written(given)
        length = trail_length(world) if given else untouched_length(world)
        return {
            person: _answer(route, method, person, world, body, before, length)
            for person in people
        }


def _answer(
    route: Route,
    method: str,
    person: str,
    world: World,
    body: Mapping[str, Any] | None,
    before: Mapping[str, str],
    length: int,
) -> Answer:
    path = path_of(route, world)
    client = client_for(person, route, world)
    with rolled_back():
        with writes_noted() as writes:
            response = send(client, method, path, body, api=route.is_api)
        after = digest_of_written(writes)
        has_moved = CHAINS in after and trail_length(world) != length
    text = getattr(response, "content", b"").decode(errors="replace")
    return Answer(
        response.status_code,
        response.headers,
        frozenset(name for name in after if after[name] != before[name]),
        has_moved,
        frozenset(
            secret
            for secret in secrets_of(world)
            if secret in text and secret not in f"{path} {body}"
        ),
        hides_reasons(response, text),
        not route.is_api and is_bare(response, text),
    )


def is_bare(response: HttpResponseBase, text: str) -> bool:
    """Return whether a response is neither a redirect, a download nor a page with a heading."""
    is_download = "Content-Disposition" in response.headers
    return not is_download and "Location" not in response.headers and "<h1" not in text


def hides_reasons(response: HttpResponseBase, text: str) -> bool:
    """Return whether an error of the API has a list `errors`, which go-fastly shows instead."""
    is_error = response.status_code >= FIRST_ERROR
    if not is_error or response.headers.get("Content-Type") != "application/json":
        return False
    return json.loads(text).get("errors") is not None


def trail_length(world: World) -> int:
    """Return the length of Acme's chain."""
    return ChainHead.objects.get(pk=world.acme.pk).sequence


@cache
def untouched(world: World) -> dict[str, str]:
    """Return the digest of the world as it was built; each request is rolled back to it."""
    return digest_of_everything()


@cache
def untouched_length(world: World) -> int:
    """Return the length of Acme's chain as it was built."""
    return trail_length(world)


@cache
def secrets_of(world: World) -> frozenset[str]:
    """Return what a non-member must never read."""
    ids = {
        row.pk for row in (world.acme, world.shop, world.membership, world.invitation)
    }
    return frozenset(ids | {world.person("superuser").email, "shop.example.com"})


@cache
def read_table() -> dict[tuple[str, str], tuple[int, ...]]:
    """Return matrix.txt: a line with a route, then lines of methods with a status per person."""
    rows: dict[tuple[str, str], tuple[int, ...]] = {}
    route = ""
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        if not line.startswith(" "):
            route = line.removeprefix("/")
            continue
        methods, *statuses = line.split()
        for method in methods.split(","):
            rows[route, method] = tuple(map(int, statuses))
    return rows


def written(routes: Mapping[str, Mapping[str, tuple[int, ...]]]) -> str:
    """Return the table in the form of matrix.txt; methods with the same statuses share a line."""
    lines = [f"#{'':24}" + "".join(f"{person:>10}" for person in PEOPLE)]
    for pattern, answers in routes.items():
        lines += ["", f"/{pattern}"]
        alike: dict[tuple[int, ...], list[str]] = {}
        for method in METHODS:
            if method in answers:
                alike.setdefault(answers[method], []).append(method)
        for statuses, methods in alike.items():
            columns = "".join(f"{status:>10}" for status in statuses)
            lines.append(f"  {','.join(methods):<23}{columns}")
    return "\n".join(lines) + "\n"
