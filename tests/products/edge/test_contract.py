"""The documents between portal and edge: exact, strict, and the same after the journey."""

import json
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from products.edge.contract import (
    ContractError,
    EdgeStatus,
    HeaderRule,
    Origin,
    RejectedRecord,
    Route,
    RouteLogEndpoint,
    RouteTable,
    UsageAnswer,
    UsageReport,
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
    "drain_mode": "drain",
    "drain_until": "2026-11-22T09:00:00Z",
}
TABLE = {"format": 2, "revision": 7, "routes": [ROUTE]}

REPORT = {
    "edge": "edge-1",
    "instance": "01J",
    "sent_at": "2026-11-22T08:00:00Z",
    "connections": [
        {
            "id": "edge-1.01J.42",
            "service": "SERVICE",
            "month": "2026-11",
            "started_at": "2026-11-22T07:58:30.000001Z",
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


def read(kind, document):
    return kind.from_bytes(json.dumps(document).encode())


def changed(document, **changes):
    return {**document, **changes}


def test_a_table_is_read_as_it_was_written():
    table = read(RouteTable, TABLE)

    assert table == RouteTable(
        2,
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
                month_ends_at=datetime(2026, 12, 1, tzinfo=UTC),
                drain_mode="drain",
                drain_until=datetime(2026, 11, 22, 9, tzinfo=UTC),
            ),
        ),
    )
    assert json.loads(table.to_bytes()) == TABLE


def test_a_report_and_its_answer_are_read_as_they_were_written():
    report = read(UsageReport, REPORT)
    answer = UsageAnswer(2, 0, (RejectedRecord("edge-1.01J.42", "Unknown."),), "epoch")

    assert json.loads(report.to_bytes()) == REPORT
    assert report.connections[0].started_at == datetime(
        2026, 11, 22, 7, 58, 30, 1, tzinfo=UTC
    )
    assert UsageAnswer.from_bytes(answer.to_bytes()) == answer


def test_fields_with_a_default_may_be_absent():
    short = {k: v for k, v in ROUTE.items() if k not in {"drain_mode", "drain_until"}}

    (route,) = read(RouteTable, changed(TABLE, routes=[short])).routes

    assert (route.drain_mode, route.drain_until) == ("keep", None)


def with_route(**changes):
    return changed(TABLE, routes=[changed(ROUTE, **changes)])


def without(document, name):
    return {key: value for key, value in document.items() if key != name}


WRONG_TABLES = {
    "not an object": ([], "RouteTable"),
    "no format": (without(TABLE, "format"), "RouteTable"),
    "another format": (changed(TABLE, format=1), "format"),
    "a format that is a bool": (changed(TABLE, format=True), "format"),
    "an unknown field": (changed(TABLE, more=1), "RouteTable"),
    "no routes": (without(TABLE, "routes"), "RouteTable"),
    "a revision in words": (changed(TABLE, revision="1"), "revision"),
    "a revision that is a bool": (changed(TABLE, revision=True), "revision"),
    "a negative revision": (changed(TABLE, revision=-1), "revision"),
    "routes that are an object": (changed(TABLE, routes={}), "routes"),
    "a route that is a word": (changed(TABLE, routes=["x"]), "routes[0]"),
    "a route without a service": (
        changed(TABLE, routes=[without(ROUTE, "service")]),
        "routes[0]",
    ),
    "hosts that are a word": (with_route(hosts="a.test"), "routes[0].hosts"),
    "a month that is not one": (with_route(month="2026-13"), "routes[0].month"),
    "an unknown action": (
        with_route(header_rules=[{"action": "add", "name": "X"}]),
        "routes[0].header_rules[0].action",
    ),
    "a port in words": (
        with_route(origin=changed(ROUTE["origin"], port="443")),
        "routes[0].origin.port",
    ),
}


@pytest.mark.parametrize("document, place", WRONG_TABLES.values(), ids=WRONG_TABLES)
def test_a_wrong_table_is_refused_and_the_place_is_named(document, place):
    with pytest.raises(ContractError) as refused:
        read(RouteTable, document)

    assert str(refused.value).partition(": ")[0] == place


@pytest.mark.parametrize(
    "more",
    [
        {"hosts": ["c.test"]},
        {"service": "OTHER"},
        {"service": "X", "hosts": ["A.test"]},
    ],
)
def test_a_table_with_a_service_or_host_twice_or_a_host_in_capitals_is_refused(more):
    with pytest.raises(ContractError, match="twice"):
        read(RouteTable, changed(TABLE, routes=[ROUTE, changed(ROUTE, **more)]))


(CONNECTION,), (DELIVERY,) = REPORT["connections"], REPORT["delivery"]


@pytest.mark.parametrize(
    "field, value",
    [
        ("id", ""),
        ("id", "x" * 129),
        ("id", "edge-1.01J.42\t"),
        ("id", "edge-1.01J.42\n"),
        ("id", "edge-1.01J.42\\"),
        ("id", "edge-1.01J.42\0"),
        ("service", "\xf8"),
        ("service", "x" * 65),
        ("month", "2026-13"),
        ("month", "2026-1"),
        ("month", "0001-01"),
        ("started_at", "2026-11-22T11:58:30"),
        ("started_at", "2026-02-30T00:00:00Z"),
        ("started_at", "1970-12-31T00:00:00Z"),
        ("started_at", "yesterday"),
        ("started_at", ""),
        ("duration_us", 2**53 + 1),
        ("bytes_to_client", 2**63),
        ("bytes_to_client", -1),
        ("bytes_to_client", 1.0),
        ("final", 1),
    ],
)
def test_a_connection_record_with_a_wrong_value_is_refused(field, value):
    records = [CONNECTION, changed(CONNECTION, **{field: value})]

    with pytest.raises(ContractError, match=r"^connections\[1\]"):
        read(UsageReport, changed(REPORT, connections=records))


@pytest.mark.parametrize(
    "field, value",
    [
        ("hour", "2026-11-22T11:30:00Z"),
        ("hour", "2026-11-22"),
        ("hour", "3000-11-22T11:00:00Z"),
        ("requests", 2**53 + 1),
        ("service", ""),
    ],
)
def test_a_delivery_record_with_a_wrong_value_is_refused(field, value):
    with pytest.raises(ContractError, match=r"^delivery\[0\]"):
        read(
            UsageReport, changed(REPORT, delivery=[changed(DELIVERY, **{field: value})])
        )


@pytest.mark.parametrize("change", [{"instance": ""}, {"sent_at": "now"}])
def test_a_report_with_a_wrong_value_is_refused(change):
    with pytest.raises(ContractError):
        read(UsageReport, changed(REPORT, **change))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b'{"at": NaN}',
        b'{"at": Infinity}',
        b'{"at": 1e400}',
        b"[" * 100_000,
        b'{"x": ' + b"[" * 100_000,
    ],
)
def test_what_is_not_plain_json_is_refused(text):
    with pytest.raises(ContractError):
        EdgeStatus.from_bytes(text)


def test_a_text_with_spaces_and_escapes_is_read_as_the_plain_one():
    text = json.dumps(changed(REPORT, edge="edge:\\1"), indent=2).encode()

    assert UsageReport.from_bytes(text).edge == "edge:\\1"


def test_a_status_may_have_more_fields_than_are_known():
    assert EdgeStatus.from_bytes(b'{"revision":7,"more":[]}') == EdgeStatus(revision=7)


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
    try:
        (route,) = read(RouteTable, with_route(**{name: value})).routes
    except ContractError:
        return

    found = msgspec.to_builtins(getattr(route, name))
    assert json.dumps(found) == json.dumps(value)


@given(st.binary(max_size=100))
def test_any_bytes_are_refused(data):
    with pytest.raises(ContractError):
        RouteTable.from_bytes(data)
