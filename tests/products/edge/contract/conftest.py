"""An edge of each engine, for what holds of both."""

import pytest

from tests.ci_rules import program
from tests.products.edge.conftest import Stand
from tests.products.edge.contract.speaking import AUTHORITY

ENGINES = ("embedded", pytest.param("haproxy", marks=pytest.mark.haproxy))


def started(engine, folder, *more, env=None):
    folder.mkdir(exist_ok=True)
    AUTHORITY.cert_pem.write_to_path(folder / "ca.pem")
    given = ["--engine", engine, "--ca-file", str(folder / "ca.pem"), *more]
    if engine == "haproxy":
        given += ["--haproxy", program("haproxy")]
    one = Stand(folder, *given, env=env)
    one.edge.is_shared = True
    one.engine = engine
    one.prepared = 10
    return one


@pytest.fixture(scope="package", params=ENGINES)
def stand(request, tmp_path_factory):
    one = started(request.param, tmp_path_factory.mktemp(request.param))
    yield one
    assert one.close() == 0


@pytest.fixture(scope="module", params=ENGINES)
def impatient(request, tmp_path_factory):
    """An edge with short times, and a certificate of its own for one.test."""
    folder = tmp_path_factory.mktemp(request.param)
    certificates = folder / "certificates"
    certificates.mkdir()
    leaf = AUTHORITY.issue_cert("one.test")
    leaf.private_key_and_cert_chain_pem.write_to_path(certificates / "one.test.pem")
    times = ["--idle-seconds", "2", "--head-seconds", "1.5", "--half-open-seconds", "1"]
    tls = ["--tls-certificates", str(certificates)]
    one = started(request.param, folder, *times, *tls)
    yield one
    assert one.close() == 0


@pytest.fixture(params=ENGINES)
def few_connections(request, tmp_path):
    """Start an edge that allows four connections."""
    limits = ("--connections", "4", "--tunnels-per-account", "100")
    one = started(request.param, tmp_path, *limits)
    yield one
    assert one.close() == 0


FEW_TUNNELS = ("--tunnels-per-service", "2", "--tunnels-per-account", "3")


@pytest.fixture(scope="module", params=ENGINES)
def few_tunnels(request, tmp_path_factory):
    """An edge that allows two tunnels per service and three per account."""
    one = started(request.param, tmp_path_factory.mktemp(request.param), *FEW_TUNNELS)
    yield one
    assert one.close() == 0


@pytest.fixture(params=ENGINES)
def unused_few_tunnels(request, tmp_path):
    """Start such an edge for one test, which counts from 0."""
    one = started(request.param, tmp_path, *FEW_TUNNELS)
    yield one
    assert one.close() == 0


@pytest.fixture(params=ENGINES)
def few_handshakes(request, tmp_path):
    """Start an edge that allows three handshakes per address, with a certificate for one.test."""
    certificates = tmp_path / "certificates"
    certificates.mkdir()
    leaf = AUTHORITY.issue_cert("one.test")
    leaf.private_key_and_cert_chain_pem.write_to_path(certificates / "one.test.pem")
    tls = ["--tls-certificates", str(certificates)]
    one = started(request.param, tmp_path, "--handshakes-per-address", "3", *tls)
    yield one
    assert one.close() == 0
