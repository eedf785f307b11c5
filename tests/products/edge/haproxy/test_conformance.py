"""The Autobahn cases through HAProxy: no verdict may differ from a direct run."""

import pytest

from tests.ci_rules import program
from tests.products.edge.conftest import Stand
from tests.products.edge.fake_portal import origin
from tests.products.edge.proxy.test_conformance import (
    EXPECTED_CASES,
    WITHOUT_LONG,
    assert_nothing_differs,
    echo_port,
)

__all__ = ["echo_port"]

pytestmark = pytest.mark.haproxy


def test_no_result_differs_from_a_direct_run(tmp_path, echo_port):
    more = ["--engine", "haproxy", "--haproxy", program("haproxy")]
    stand = Stand(tmp_path / "stand", *more)
    stand.serve(host="localhost", to=origin(echo_port))
    try:
        port = stand.edge.port
        assert_nothing_differs(echo_port, port, tmp_path, EXPECTED_CASES, *WITHOUT_LONG)
    finally:
        stand.close()
