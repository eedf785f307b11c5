"""Which tunnels must close, and when."""

from datetime import UTC, datetime

import pytest

from products.edge.revocation import RevocationPolicy
from tests.products.edge.fake_portal import route

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    "changes, closed",
    [
        ({"websockets": True, "drain_mode": "cut"}, set()),
        ({"websockets": False, "drain_mode": "keep"}, set()),
        ({"websockets": False, "drain_mode": "cut"}, {"a-test"}),
        ({"drain_mode": "drain", "drain_until": "2026-11-22T08:00:01Z"}, set()),
        ({"drain_mode": "drain", "drain_until": "2026-11-22T08:00:00Z"}, {"a-test"}),
        ({"drain_mode": "drain"}, {"a-test"}),
    ],
    ids=["entitled", "kept", "cut", "draining", "drained", "drained without a time"],
)
def test_a_service_in_the_table_follows_its_route(changes, closed):
    given = route("a.test", **({"websockets": False} | changes))

    found = RevocationPolicy(60.0).must_close(["a-test"], {"a-test": given}, NOW)

    assert found == closed


def test_a_removed_service_has_a_grace_time():
    elapsed = [0.0]
    policy = RevocationPolicy(60.0, lambda: elapsed[0])
    here = {"a-test": route("a.test")}
    closed = []

    for elapsed[0], routes in ((0, {}), (59, {}), (60, here), (61, {}), (121, {})):
        closed.append(policy.must_close(["a-test"], routes, NOW))

    assert closed == [set(), set(), set(), set(), {"a-test"}]


def test_a_clock_that_jumps_ends_no_grace_time():
    policy = RevocationPolicy(60.0)

    closed = [
        policy.must_close(["a-test"], {}, NOW),
        policy.must_close(["a-test"], {}, NOW + 3600),
    ]

    assert closed == [set(), set()]
