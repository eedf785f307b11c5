"""Both engines: what the origin gets to see (R8, R11)."""

import pytest

from products.edge.contract import HeaderRule
from products.protocol import PROTECTED_HEADER_PREFIXES, PROTECTED_HEADERS
from tests.products.edge.contract.speaking import (
    echoes,
    opened,
    values,
)
from tests.products.edge.fake_portal import origin
from tests.products.edge.running import handshake, read_until, status_of


def test_header_rules_set_append_and_delete(stand):
    rules = (
        HeaderRule("set", "X-Set", "new"),
        HeaderRule("append", "X-Append", "second"),
        HeaderRule("delete", "X-Delete"),
    )
    host, there = stand.serve(header_rules=rules)

    more = [
        "X-Set: old",
        "X-Set: older",
        "X-Append: first",
        "X-Delete: gone",
        "X-Keep: kept",
    ]
    opened(stand, host, *more)[0].close()

    assert values(there, "x-set") == ["new"]
    assert values(there, "x-append") == ["first", "second"]
    assert values(there, "x-delete") == []
    assert values(there, "x-keep") == ["kept"]


HOSTILE = {
    "quotes": "a\"b'c'd''e\"",
    "backslashes": "\\ \\n \\\" \\' \\x41 \\",
    "variables": "$HOME ${HOME} \"${HOME}\" '$PATH'",
    "formats": "%[src] %% %ci %{+Q}o %",
    "comments": "x # y ; z",
    "conditions": "x if { always_true } unless TRUE",
    "a tab": "a\tb",
    "latin": "gr\xfc\xdfe",
    "empty": "",
    "long": "long " * 300,
}


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_customers_value_arrives_as_it_was_written(stand, value):
    host, there = stand.serve(header_rules=(HeaderRule("set", "X-Value", value),))

    opened(stand, host)[0].close()

    assert values(there, "x-value") == [value.strip()]


@pytest.mark.parametrize("name", ["X-'\"", "X$HOME", "X`%[src]", "X#y|z~^"])
def test_a_customers_field_name_is_nothing_but_a_name(stand, name):
    # Only what HTTP calls a token can be one; the rest is left out.
    rules = (HeaderRule("set", name, "v"), HeaderRule("set", "X-After", "after"))
    host, there = stand.serve(header_rules=rules)

    opened(stand, host)[0].close()

    is_token = not set(name) & set('"[]()')
    assert values(there, name.lower()) == (["v"] if is_token else [])
    assert values(there, "x-after") == ["after"]


@pytest.mark.parametrize(
    "rule",
    [
        HeaderRule("set", "Host", "evil.test"),
        HeaderRule("delete", "Sec-WebSocket-Key"),
        HeaderRule("set", "Connection", "close"),
        HeaderRule("append", "Transfer-Encoding", "chunked"),
        HeaderRule("set", "X-Split", "a\r\nX-Injected: yes"),
    ],
    ids=lambda rule: f"{rule.action} {rule.name}",
)
def test_a_rule_that_would_break_the_handoff_is_not_carried_out(stand, rule):
    host, there = stand.serve(header_rules=(rule,))

    with opened(stand, host)[0] as connection:
        assert echoes(connection, b"works")

    assert values(there, "host") == [host]
    assert values(there, "x-injected") == values(there, "x-split") == []


PROTECTED = [*PROTECTED_HEADERS, *(f"{name}x" for name in PROTECTED_HEADER_PREFIXES)]


def test_no_rule_changes_a_protected_header(stand):
    rules = tuple(HeaderRule("set", name, "changed") for name in PROTECTED)
    host, there = stand.serve(header_rules=rules)

    opened(stand, host)[0].close()

    assert [name for name in PROTECTED if "changed" in values(there, name)] == []


def test_no_connection_option_removes_a_protected_header(stand):
    host, there = stand.serve()
    fields = ("CDN-Loop: other-cdn", "Sec-WebSocket-X: kept", "Proxy-X: kept")
    options = b", ".join(field.partition(":")[0].encode() for field in fields)
    request = handshake(host, *fields).replace(
        b"Connection: Upgrade", b"Connection: Upgrade, " + options
    )

    with stand.edge.connect() as connection:
        connection.sendall(request)
        assert status_of(read_until(connection, b"\r\n\r\n")) == 101

    assert values(there, "cdn-loop")[0] == "other-cdn"
    assert values(there, "sec-websocket-x") == values(there, "proxy-x") == ["kept"]


def test_forwarded_fields_are_the_edges_own(stand):
    host, there = stand.serve()
    forged = [
        "X-Forwarded-For: 1.2.3.4",
        "X_Forwarded_For: 1.2.3.4",
        "Forwarded: for=1.2.3.4",
    ]

    opened(stand, host, *forged, "X-Forwarded-Host: evil.test")[0].close()

    assert values(there, "x-forwarded-for") == ["127.0.0.1"]
    assert values(there, "x-forwarded-proto") == ["http"]
    assert values(there, "x-forwarded-host") == [host]
    assert values(there, "forwarded") == values(there, "x_forwarded_for") == []


def test_fields_named_by_connection_stay_with_this_hop(stand):
    host, there = stand.serve()
    request = handshake(host, "X-Hop: mine").replace(
        b"Connection: Upgrade", b"Connection: Upgrade, X-Hop, Sec-WebSocket-Key"
    )

    with stand.edge.connect() as connection:
        connection.sendall(request)
        assert status_of(read_until(connection, b"\r\n\r\n")) == 101

    assert values(there, "x-hop") == []
    assert len(values(there, "sec-websocket-key")) == 1


def test_override_host_is_what_the_origin_is_asked_for(stand):
    host, there = stand.serve()
    stand.change(host, to=origin(there.port, override_host="inside.test:81"))

    opened(stand, host)[0].close()

    assert values(there, "host") == ["inside.test:81"]
    assert values(there, "x-forwarded-host") == [host]
