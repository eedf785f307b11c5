"""An edge of each engine, for what holds of both."""

import pytest

from tests.ci_rules import program
from tests.products.edge.conftest import Stand
from tests.products.edge.contract.speaking import AUTHORITY

ENGINES = ("embedded", pytest.param("haproxy", marks=pytest.mark.haproxy))


@pytest.fixture(scope="module", params=ENGINES)
def stand(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    AUTHORITY.cert_pem.write_to_path(folder / "ca.pem")
    more = ["--engine", request.param, "--ca-file", str(folder / "ca.pem")]
    if request.param == "haproxy":
        more += ["--haproxy", program("haproxy")]
    one = Stand(folder, *more)
    one.edge.is_shared = True
    yield one
    assert one.close() == 0
