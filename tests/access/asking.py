"""Asks one address as one person by one method, and tells what came of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import urlencode

from accounts.audit.models import ChainHead
from tests.access.bodies import BODIES, GIVEN, NAMES, QUERIES
from tests.access.routes import METHODS, PEOPLE, Route, address, client_for, send
from tests.factories.digests import digest_of_everything
from tests.factories.rolled_back import rolled_back
from tests.factories.world import World

NOT_SPOKEN = 405
TABLE = Path(__file__).with_name("matrix.txt")


@dataclass(frozen=True, slots=True)
class Answer:
    """What an address answered, and which tables are not what they were."""

    status: int
    headers: Mapping[str, str]
    changed: frozenset[str]
    moved_acme: bool  # whether Acme's trail grew, as it does with any change in Acme
    told: frozenset[
        str
    ]  # what of Acme's stands in the answer and was not in the question


def path_of(route: Route, world: World) -> str:
    """Return a route's address, with its query where it needs one."""
    path = address(route, world, NAMES.get(route.pattern, {}))
    query = QUERIES.get(route.pattern)
    return f"{path}?{urlencode(query(world))}" if query else path


def ask(route: Route, method: str, person: str, world: World) -> Answer:
    """Ask, and take back whatever came of it."""
    key = (route.pattern, method)
    with rolled_back():
        if key in GIVEN:
            GIVEN[key](world, world.people["superuser"])
        body = BODIES[key](world) if key in BODIES else None
        path = path_of(route, world)
        client = client_for(person, route, world)
        before = digest_of_everything() if key in GIVEN else untouched(world)
        height = height_of(world)
        response = send(client, method, path, body, api=route.is_api)
        # What is not spoken reaches no code that could change anything.
        after = before if response.status_code == NOT_SPOKEN else digest_of_everything()
        text = getattr(response, "content", b"").decode(errors="replace")
        return Answer(
            response.status_code,
            response.headers,
            frozenset(name for name in after if after[name] != before[name]),
            height_of(world) != height,
            frozenset(
                secret
                for secret in secrets_of(world)
                if secret in text and secret not in f"{path} {body}"
            ),
        )


def height_of(world: World) -> int:
    """Return how long Acme's trail is."""
    return ChainHead.objects.get(pk=world.acme.pk).sequence


@cache
def untouched(world: World) -> dict[str, str]:
    """Return the digest of the world as it was built, which it is again after each question."""
    return digest_of_everything()


@cache
def secrets_of(world: World) -> frozenset[str]:
    """Return what a stranger must not read anywhere."""
    ids = {
        row.pk for row in (world.acme, world.shop, world.membership, world.invitation)
    }
    return frozenset(ids | {world.person("superuser").email, "shop.example.com"})


def read_table() -> dict[tuple[str, str], tuple[int, ...]]:
    """Read matrix.txt: an address on a line of its own, then its methods with a status a person."""
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
    """Return the table as matrix.txt has it; methods that answer alike share a line."""
    lines = [f"#{'':24}" + "".join(f"{person:>10}" for person in PEOPLE)]
    for pattern, answers in routes.items():
        lines += ["", f"/{pattern}"]
        alike: dict[tuple[int, ...], list[str]] = {}
        for method in METHODS:
            if method in answers:
                alike.setdefault(answers[method], []).append(method)
        for statuses, methods in alike.items():
            words = "".join(f"{status:>10}" for status in statuses)
            lines.append(f"  {','.join(methods):<23}{words}")
    return "\n".join(lines) + "\n"
