"""The Autobahn cases through HAProxy: each result is that of a direct run."""

import pytest

from tests.products.edge.conftest import Stand
from tests.products.edge.fake_portal import origin
from tests.products.edge.haproxy.haproxy_stand import engine
from tests.products.edge.proxy.test_conformance import (
    EXPECTED_CASES,
    WITHOUT_LONG,
    assert_nothing_differs,
    echo_port,
)

__all__ = ["echo_port"]

pytestmark = pytest.mark.haproxy


def test_no_result_differs_from_a_direct_run(tmp_path, echo_port):
    stand = Stand(tmp_path / "stand", *engine())
    stand.serve(host="localhost", to=origin(echo_port))
    try:
        port = stand.edge.port
        assert_nothing_differs(echo_port, port, tmp_path, EXPECTED_CASES, *WITHOUT_LONG)
    finally:
        stand.close()
