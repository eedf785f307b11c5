"""The maps: what stands in them, and the commands that bring a worker's there."""

import base64

from products.edge.contract import RouteLogEndpoint
from products.edge.haproxy import maps
from tests.products.edge.fake_portal import origin, route


def build(*routes, **reasons):
    given = {one.service: "" for one in routes} | reasons
    return maps.build(routes, given)


def test_an_entitled_service_is_on_and_a_refused_one_has_its_sentence():
    routes = (
        route("a.test", origin(1)),
        route("b.test", origin(1), websockets=False, refusal="Not “now”.\nAsk Sam."),
        route("c.test", origin(1), websockets=False),
    )

    found = maps.permission_maps(routes, accepts_websockets=True)[maps.WEBSOCKETS]

    assert found["a-test"] == "on"
    assert base64.b64decode(found["b-test"]).decode() == "Not “now”.\nAsk Sam."
    assert found["c-test"] == maps.NOT_ON
    assert " " not in "".join(found.values())


def test_an_origin_may_be_dialled_or_there_is_a_reason():
    routes = [route(f"{name}.test", origin(1)) for name in "ab"]
    given = {"a-test": "No."}

    found = maps.build([*routes, route("c.test")], given)

    assert base64.b64decode(found[maps.ORIGINS]["a-test"]) == b"No."
    assert found[maps.ORIGINS]["b-test"] == maps.NOT_READY
    assert found[maps.ORIGINS]["c-test"] == "none"


def test_an_edge_that_cannot_count_takes_no_upgrades():
    assert maps.permission_maps([], accepts_websockets=False)[maps.EDGE] == {
        "upgrades": "off"
    }


def test_of_several_wildcards_the_longest_stands_first():
    hosts = ("*.a.test", "*.very.long.a.test", "*.long.a.test", "x.a.test")

    found = build(route("a.test", origin(1), hosts=hosts))

    assert list(found[maps.WILD]) == [".very.long.a.test", ".long.a.test", ".a.test"]
    assert found[maps.HOSTS] == {"x.a.test": "a-test"}


def test_the_fields_asked_for_are_gathered_once_in_lower_case():
    ends = (
        RouteLogEndpoint(
            "https", "one", "https://a.test", ("User-Agent", "bad name", "a,b")
        ),
        RouteLogEndpoint("syslog", "two", "a.test:514", ("user-agent", "Accept")),
    )

    found = build(route("a.test", origin(1), log_endpoints=ends))

    assert found[maps.FIELDS] == {"a-test": "accept,user-agent"}


def test_only_what_differs_is_told():
    held = {"a": "on", "b": "on", "c": "on"}

    told = maps.commands("ws.map", held, {"a": "on", "b": "T2Zm", "d": "on"})

    assert told == ["del map ws.map c", "set map ws.map b T2Zm", "add map ws.map d on"]
