"""A version's parts as the edge reads them."""

import pytest

from products.edge.contract import HeaderRule, Origin, RouteLogEndpoint
from products.services.describe import with_parts
from products.services.models import Version
from products.services.route import RouteParts, route_parts
from tests.factories.services import (
    BackendFactory,
    DomainFactory,
    HeaderFactory,
    LogEndpointFactory,
    VersionFactory,
)


@pytest.fixture
def version(shop):
    """Return an empty draft."""
    return VersionFactory.create(service=shop)


def test_an_empty_version_has_no_route(version):
    assert route_parts(version) == RouteParts((), None, (), ())


def test_hosts_are_sorted(version):
    DomainFactory.create(version=version, name="b.example.com")
    DomainFactory.create(version=version, name="*.a.example.com")

    assert route_parts(version).hosts == ("*.a.example.com", "b.example.com")


def test_the_first_backend_added_carries_the_connections(version):
    BackendFactory.create(
        version=version, name="zulu", port=8443, override_host="www.example.com"
    )
    BackendFactory.create(version=version, name="alpha")

    assert route_parts(version).origin == Origin(
        name="zulu",
        address="origin.example.com",
        port=8443,
        use_tls=True,
        override_host="www.example.com",
    )


def test_request_header_rules_come_in_the_order_of_their_priority(version):
    HeaderFactory.create(version=version, priority=100, dst="http.A", src='"one"')
    HeaderFactory.create(
        version=version, priority=9, dst="B", action="append", src="two"
    )
    HeaderFactory.create(version=version, priority=100, dst="http.A", src='"three"')
    HeaderFactory.create(
        version=version, priority=10, dst="C", action="delete", src="x"
    )

    assert route_parts(version).header_rules == (
        HeaderRule("append", "B", "two"),
        HeaderRule("delete", "C"),
        HeaderRule("set", "A", "one"),
        HeaderRule("set", "A", "three"),
    )


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"type": "response"}, id="about the answer"),
        pytest.param({"type": "cache"}, id="about the cache"),
        pytest.param({"action": "regex", "regex": "x"}, id="by a pattern"),
        pytest.param({"request_condition": "only mobile"}, id="under a condition"),
        pytest.param({"ignore_if_set": True}, id="unless it is there"),
    ],
)
def test_a_rule_that_the_edge_would_get_wrong_is_left_out(fields, version):
    HeaderFactory.create(version=version, **fields)

    assert route_parts(version).header_rules == ()


def test_log_endpoints_that_the_edge_can_send_to_are_given(version):
    LogEndpointFactory.create(version=version, name="one", fields=["User-Agent"])
    LogEndpointFactory.create(version=version, name="two", kind="s3", address="bucket")
    LogEndpointFactory.create(
        version=version, name="three", kind="syslog", address="logs.example.com:514"
    )

    assert route_parts(version).log_endpoints == (
        RouteLogEndpoint(
            "https", "one", "https://logs.example.com/in", ("User-Agent",)
        ),
        RouteLogEndpoint("syslog", "three", "logs.example.com:514"),
    )


def test_routes_of_versions_fetched_with_their_parts_ask_nothing_more(
    version, django_assert_num_queries
):
    DomainFactory.create_batch(3, version=version)
    BackendFactory.create_batch(3, version=version)
    (fetched,) = with_parts(Version.objects.all())

    with django_assert_num_queries(0):
        parts = route_parts(fetched)

    with django_assert_num_queries(4):
        assert route_parts(version) == parts
