"""Fault 5: PostgreSQL is killed with all its children. Nothing acknowledged is lost.

The portal runs on, answers 503 meanwhile, and works again without a restart.
"""

import random
import threading
import time
from contextlib import closing
from urllib.error import URLError

import psycopg
import pytest

from tests.crash.portal import real_portal
from tests.races.postgresql import postgresql
from tests.stories.stack import Stack, within

pytestmark = pytest.mark.postgresql
WRITERS = ("superuser", "engineer")
MAX_AWAY_SECONDS = 60.0  # on a busy machine; the target is 10 s
MAX_WRITES = 15  # per writer and round: the API allows a token 1,000 per hour
CHANGES = (
    "SELECT canonical::json -> 'after' ->> 'comment' FROM audit_auditevent"
    " WHERE action = 'service.updated'"
)


class Writer(threading.Thread):
    """A client that changes a service until it is stopped or one request has failed."""

    def __init__(self, stack: Stack, person: str, start: int) -> None:
        """Start it; `start` is the number in its first comment."""
        super().__init__()
        self.acknowledged: list[str] = []
        self.has_written = threading.Event()
        self.statuses: set[int] = set()
        self._stack = stack
        self._person = person
        self._first = start
        self.start()

    def run(self) -> None:
        """Write until a request fails."""
        path = f"/api/service/{self._stack.service('echo')}"
        for number in range(self._first, self._first + MAX_WRITES):
            comment = f"{self._person} {number}"
            try:
                status, _ = self._stack.api(
                    "PUT", path, self._person, {"comment": comment}
                )
            except (URLError, OSError):
                return
            self.statuses.add(status)
            if status != 200:
                return
            self.acknowledged.append(comment)
            self.has_written.set()


@pytest.fixture
def server():
    with postgresql() as running:
        yield running


@pytest.fixture
def portal(server, tmp_path, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", server.url)
    with real_portal(tmp_path) as running:
        yield running


@pytest.mark.parametrize(
    ("seed", "rounds"),
    [(1, 3), pytest.param(None, 25, marks=pytest.mark.nightly)],
)
def test_a_killed_database_loses_no_acknowledged_change(
    server, portal, note_figures, seed, rounds
):
    seed = seed if seed is not None else random.randrange(10**9)
    note_figures(f"seed {seed}")
    chance = random.Random(seed)
    acknowledged, seen, away = [], set(), []

    def status() -> int:
        path = f"/api/service/{portal.stack.service('echo')}"
        return portal.stack.api("GET", path)[0]

    def is_back() -> bool:
        return status() == 200

    for number in range(rounds):
        writers = [
            Writer(portal.stack, person, number * MAX_WRITES) for person in WRITERS
        ]
        for each in writers:
            each.has_written.wait(60)
        time.sleep(chance.uniform(0, 0.3))
        server.kill()
        seen.add(status())
        for each in writers:
            each.join()
        server.start()
        began = time.monotonic()
        within(MAX_AWAY_SECONDS, "the portal answers", is_back)
        away.append(time.monotonic() - began)
        acknowledged += [text for each in writers for text in each.acknowledged]
        seen = seen.union(*(each.statuses for each in writers))

    note_figures(
        f"{rounds} kills, {len(acknowledged)} acknowledged; "
        f"answers again within {max(away):.1f} s"
    )
    with closing(psycopg.connect(portal.environment["DATABASE_URL"])) as connection:
        recorded = [text for (text,) in connection.execute(CHANGES)]
    assert acknowledged
    assert set(acknowledged) <= set(recorded)
    assert len(recorded) == len(set(recorded))  # no change is there twice
    assert len(recorded) <= len(acknowledged) + rounds * len(WRITERS)
    assert seen <= {200, 503}
    portal.manage("verify_audit")  # fails if a chain is broken
