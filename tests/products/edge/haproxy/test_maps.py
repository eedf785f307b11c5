"""The content of the maps, and the commands that update those of a worker."""

import base64

from products.edge.contract import RouteLogEndpoint
from products.edge.haproxy import maps
from tests.products.edge.fake_portal import origin, route


def build(*routes):
    return maps.routing_maps(routes, {route.service: "" for route in routes})


def test_a_permitted_service_is_on_and_a_refused_one_has_its_sentence():
    routes = (
        route("a.test", origin(1)),
        route("b.test", origin(1), websockets=False, refusal="Not “now”.\nAsk Sam."),
        route("c.test", origin(1), websockets=False),
    )

    found = maps.permission_maps(routes)[maps.WEBSOCKETS]

    assert found["a-test"] == "on"
    assert base64.b64decode(found["b-test"]).decode() == "Not “now”.\nAsk Sam."
    assert found["c-test"] == maps.NOT_ON
    assert " " not in "".join(found.values())


def test_an_origin_is_on_or_has_the_problem():
    routes = [route(f"{name}.test", origin(1)) for name in "ab"]
    problems = {"a-test": "No."}

    found = maps.routing_maps([*routes, route("c.test")], problems)

    assert base64.b64decode(found[maps.ORIGINS]["a-test"]) == b"No."
    assert found[maps.ORIGINS]["b-test"] == maps.NOT_RESOLVED
    assert found[maps.ORIGINS]["c-test"] == "none"


def test_an_edge_that_cannot_record_usage_allows_no_upgrades():
    found = maps.permission_maps([], maps.ALL_SERVICES)[maps.FULL]

    assert found == {"*": "full"}


def test_a_wildcard_is_reversed_and_other_hosts_are_not():
    found = build(route("a.test", origin(1), hosts=("*.b.a.test", "x.a.test")))

    assert found[maps.WILDCARDS] == {"tset.a.b.": "a-test"}
    assert found[maps.HOSTS] == {"x.a.test": "a-test"}


def test_logged_fields_are_listed_once_in_lower_case():
    ends = (
        RouteLogEndpoint(
            "https", "one", "https://a.test", ("User-Agent", "bad name", "a,b")
        ),
        RouteLogEndpoint("syslog", "two", "a.test:514", ("user-agent", "Accept")),
    )

    found = build(route("a.test", origin(1), log_endpoints=ends))

    assert found[maps.FIELDS] == {"a-test": "accept,user-agent"}


def test_only_differences_become_commands():
    current = {"a": "on", "b": "on", "c": "on"}

    changes = maps.commands("ws.map", current, {"a": "on", "b": "T2Zm", "d": "on"})

    assert changes == [
        "del map ws.map c",
        "set map ws.map b T2Zm",
        "add map ws.map d on",
    ]
