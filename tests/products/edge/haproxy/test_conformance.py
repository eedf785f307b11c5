"""The Autobahn cases through HAProxy: no verdict may differ from a direct run."""

import pytest

from tests.ci_rules import program
from tests.products.edge.conftest import Stand
from tests.products.edge.fake_portal import origin
from tests.products.edge.test_conformance import EXPECTED_CASES, echo_port, verdicts

__all__ = ["echo_port"]

pytestmark = pytest.mark.haproxy


def test_no_verdict_differs_from_a_direct_run(tmp_path, echo_port):
    more = ["--engine", "haproxy", "--haproxy", program("haproxy")]
    stand = Stand(tmp_path / "stand", *more)
    stand.serve(host="localhost", to=origin(echo_port))
    select = ["-x", "9.*", "-x", "12.*", "-x", "13.*"]

    direct = verdicts(echo_port, tmp_path / "direct", *select)
    through = verdicts(stand.edge.port, tmp_path / "through", *select)

    stand.close()
    assert len(direct) == EXPECTED_CASES
    assert through == direct
