"""The documents between portal and edge: exact, strict, and the same after the journey."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from products.edge.contract import (
    ContractError,
    HeaderRule,
    Origin,
    RejectedRecord,
    Route,
    RouteLogEndpoint,
    RouteTable,
    UsageAnswer,
    UsageReport,
    parse_json,
)

ROUTE = {
    "service": "SERVICE",
    "account": "ACCOUNT",
    "hosts": ["a.test", "*.b.test"],
    "websockets": False,
    "refusal": "Not enabled.",
    "origin": {
        "name": "origin",
        "address": "origin.example",
        "port": 443,
        "use_tls": True,
        "override_host": None,
    },
    "header_rules": [{"action": "set", "name": "X-A", "value": "b"}],
    "log_endpoints": [
        {
            "kind": "https",
            "name": "log",
            "address": "https://log.example/",
            "fields": ["X-A"],
        }
    ],
    "month": "2026-11",
    "month_ends_at": "2026-12-01T00:00:00Z",
    "open_connections": "drain",
    "drain_until": "2026-11-22T09:00:00Z",
}
TABLE = {"format": 1, "generation": 7, "routes": [ROUTE]}

REPORT = {
    "edge": "edge-1",
    "boot": "01J",
    "sent_at": "2026-11-22T08:00:00.000000Z",
    "connections": [
        {
            "id": "edge-1.01J.42",
            "service": "SERVICE",
            "month": "2026-11",
            "started_at": "2026-11-22T07:58:30.000000Z",
            "duration_us": 90_000_000,
            "bytes_from_client": 1200,
            "bytes_to_client": 5400,
            "final": False,
        }
    ],
    "delivery": [
        {
            "service": "SERVICE",
            "hour": "2026-11-22T08:00:00Z",
            "requests": 3,
            "bytes_from_client": 900,
            "bytes_to_client": 70_000,
        }
    ],
}


def changed(document, **changes):
    return {**document, **changes}


def test_a_table_is_read_as_it_was_written():
    table = RouteTable.from_json(TABLE)

    assert table == RouteTable(
        7,
        (
            Route(
                service="SERVICE",
                account="ACCOUNT",
                hosts=("a.test", "*.b.test"),
                websockets=False,
                refusal="Not enabled.",
                origin=Origin("origin", "origin.example", 443, True, None),
                header_rules=(HeaderRule("set", "X-A", "b"),),
                log_endpoints=(
                    RouteLogEndpoint("https", "log", "https://log.example/", ("X-A",)),
                ),
                month="2026-11",
                month_ends_at="2026-12-01T00:00:00Z",
                open_connections="drain",
                drain_until="2026-11-22T09:00:00Z",
            ),
        ),
    )
    assert json.loads(json.dumps(table.to_json())) == TABLE


def test_a_report_and_its_answer_are_read_as_they_were_written():
    report = UsageReport.from_json(REPORT)
    answer = UsageAnswer(2, 0, (RejectedRecord("edge-1.01J.42", "Unknown."),), "epoch")

    assert json.loads(json.dumps(report.to_json())) == REPORT
    assert report.connections[0].duration_us == 90_000_000
    assert UsageAnswer.from_json(json.loads(json.dumps(answer.to_json()))) == answer


def test_fields_with_a_default_may_be_absent():
    short = {
        k: v for k, v in ROUTE.items() if k not in {"open_connections", "drain_until"}
    }

    (route,) = RouteTable.from_json(changed(TABLE, routes=[short])).routes

    assert (route.open_connections, route.drain_until) == ("keep", "")


WRONG_TABLES = {
    "not an object": ([], "table: not an object"),
    "no format": ({"generation": 1, "routes": []}, "table: format is not 1"),
    "format 2": (changed(TABLE, format=2), "table: format is not 1"),
    "format true": (changed(TABLE, format=True), "table: format is not 1"),
    "an unknown field": (changed(TABLE, more=1), "table: unknown more"),
    "no routes": ({"format": 1, "generation": 1}, "table: lacks routes"),
    "a generation in words": (
        changed(TABLE, generation="1"),
        "table.generation: not of type int",
    ),
    "a generation that is a bool": (
        changed(TABLE, generation=True),
        "table.generation: not of type int",
    ),
    "a negative generation": (changed(TABLE, generation=-1), "table.generation: negative"),
    "routes that are an object": (changed(TABLE, routes={}), "table.routes: not a list"),
    "a route that is a word": (changed(TABLE, routes=["x"]), "table.routes[0]: not an object"),
    "a route without a service": (
        changed(TABLE, routes=[{k: v for k, v in ROUTE.items() if k != "service"}]),
        "table.routes[0]: lacks service",
    ),
    "hosts that are a word": (
        changed(TABLE, routes=[changed(ROUTE, hosts="a.test")]),
        "table.routes[0].hosts: not a list",
    ),
    "an unknown action": (
        changed(TABLE, routes=[changed(ROUTE, header_rules=[{"action": "add", "name": "X"}])]),
        "table.routes[0].header_rules[0].action: not one of set, append, delete",
    ),
    "a port in words": (
        changed(TABLE, routes=[changed(ROUTE, origin=changed(ROUTE["origin"], port="443"))]),
        "table.routes[0].origin.port: not of type int",
    ),
    "a service twice": (
        changed(TABLE, routes=[ROUTE, changed(ROUTE, hosts=["c.test"])]),
        "table: service SERVICE appears twice",
    ),
    "a host twice": (
        changed(TABLE, routes=[ROUTE, changed(ROUTE, service="OTHER")]),
        "table: host a.test twice or not in lower case",
    ),
    "a host in capitals": (
        changed(TABLE, routes=[changed(ROUTE, hosts=["A.test"])]),
        "table: host A.test twice or not in lower case",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG_TABLES)
def test_a_wrong_table_is_refused_and_the_place_is_named(name):
    document, sentence = WRONG_TABLES[name]

    with pytest.raises(ContractError) as refused:
        RouteTable.from_json(document)

    assert str(refused.value) == sentence


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": 1, "a": 2}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_plain_json_is_refused(text):
    with pytest.raises(ContractError):
        parse_json(text)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.sampled_from(sorted(ROUTE)), _JSON)
def test_any_value_anywhere_is_read_exactly_or_refused(name, value):
    document = changed(TABLE, routes=[changed(ROUTE, **{name: value})])

    try:
        table = RouteTable.from_json(document)
    except ContractError:
        return

    assert json.dumps(table.to_json()) == json.dumps(document)


@given(st.binary(max_size=100))
def test_any_bytes_are_a_document_or_refused(data):
    try:
        document = parse_json(data)
        RouteTable.from_json(document)
    except ContractError:
        return
    raise AssertionError("no table is that short")
