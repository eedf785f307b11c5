"""Whose tunnels must end, and when."""

from datetime import UTC, datetime

import pytest

from products.edge.revocation import RevocationPolicy
from tests.products.edge.fake_portal import route

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    "changes, is_doomed",
    [
        ({"websockets": True, "drain_mode": "cut"}, False),
        ({"websockets": False, "drain_mode": "keep"}, False),
        ({"websockets": False, "drain_mode": "cut"}, True),
        ({"drain_mode": "drain", "drain_until": "2026-11-22T08:00:01Z"}, False),
        ({"drain_mode": "drain", "drain_until": "2026-11-22T08:00:00Z"}, True),
        ({"drain_mode": "drain", "drain_until": "not a time"}, True),
    ],
    ids=["entitled", "kept", "cut", "draining", "drained", "drained at no known time"],
)
def test_a_service_in_the_table_is_judged_by_its_route(changes, is_doomed):
    given = route("a.test", **({"websockets": False} | changes))

    doomed = RevocationPolicy(60.0).of(["a-test"], {"a-test": given}, NOW)

    assert doomed == (["a-test"] if is_doomed else [])


def test_a_service_that_left_the_table_has_a_while():
    doom = RevocationPolicy(60.0)
    here = {"a-test": route("a.test")}

    seen = [
        doom.of(["a-test"], {}, NOW),
        doom.of(["a-test"], {}, NOW + 59),
        doom.of(["a-test"], here, NOW + 60),
        doom.of(["a-test"], {}, NOW + 61),
        doom.of(["a-test"], {}, NOW + 121),
    ]

    assert seen == [[], [], [], [], ["a-test"]]
