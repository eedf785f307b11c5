"""Both engines: an origin that leads back to the edge is refused, and chains are served."""

import pytest

from products.edge.contract import HeaderRule
from products.edge.errors import EdgeError
from tests.products.edge.contract.speaking import echoes, opened, values
from tests.products.edge.fake_portal import origin
from tests.products.edge.running import get, handshake, status_of


@pytest.mark.parametrize("request_of", [get, handshake])
def test_a_service_that_is_its_own_origin_gets_508(stand, request_of):
    host, _ = stand.serve(to=origin(stand.edge.port))

    answer = stand.edge.ask(request_of(host))

    assert status_of(answer) == 508
    assert EdgeError.LOOP.sentence().encode() in answer


@pytest.mark.parametrize("request_of", [get, handshake])
def test_services_that_lead_to_each_other_get_508(stand, request_of):
    other, _ = stand.serve()
    host, _ = stand.serve(to=origin(stand.edge.port, override_host=other))
    stand.change(other, to=origin(stand.edge.port, override_host=host))

    assert status_of(stand.edge.ask(request_of(host))) == 508


def test_a_service_may_have_another_as_its_origin(stand):
    inner, there = stand.serve()
    outer, _ = stand.serve(to=origin(stand.edge.port, override_host=inner))

    with opened(stand, outer)[0] as connection:
        assert echoes(connection, b"through two")

    services = [host.replace(".", "-") for host in (outer, inner)]
    assert values(there, "cdn-loop") == [f"tollgate;service={one}" for one in services]


def test_what_others_wrote_about_loops_is_kept_and_no_rule_removes_it(stand):
    rule = HeaderRule("delete", "CDN-Loop")
    host, there = stand.serve(header_rules=(rule,))

    opened(stand, host, "CDN-Loop: other-cdn; a=b")[0].close()

    own = f"tollgate;service={host.replace('.', '-')}"
    assert values(there, "cdn-loop") == ["other-cdn; a=b", own]


def test_a_chain_that_is_too_long_is_ended(stand):
    host, there = stand.serve()
    chain = ", ".join(f"cdn-{number}" for number in range(8))

    assert status_of(stand.edge.ask(handshake(host, f"CDN-Loop: {chain}"))) == 508
    assert there.heads == []
