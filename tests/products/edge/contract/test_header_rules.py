"""Both engines: what the origin gets to see (R8, R11)."""

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
    "X-Quotes": "a\"b'c'd''e\"",
    "X-Backslashes": "\\ \\n \\\" \\' \\x41 \\",
    "X-Variables": "$HOME ${HOME} \"${HOME}\" '$PATH'",
    "X-Formats": "%[src] %% %ci %{+Q}o %",
    "X-Comments": "x # y ; z",
    "X-Conditions": "x if { always_true } unless TRUE",
    "X-Tab": "a\tb",
    "X-Latin": "gr\xfc\xdfe",
    "X-Empty": "",
    "X-Long": "long " * 300,
}


def test_a_customers_value_arrives_as_it_was_written(stand):
    rules = tuple(HeaderRule("set", *each) for each in HOSTILE.items())
    host, there = stand.serve(header_rules=rules)

    opened(stand, host)[0].close()

    arrived = {name: values(there, name.lower()) for name in HOSTILE}
    assert arrived == {name: [value.strip()] for name, value in HOSTILE.items()}


def test_a_customers_field_name_is_nothing_but_a_name(stand):
    tokens = ("X-'", "X$HOME", "X#y|z~^")
    # Only what HTTP calls a token can be a name; the rest is left out.
    names = (*tokens, "X-'\"", "X`%[src]", "X-After")
    rules = tuple(HeaderRule("set", name, "v") for name in names)
    host, there = stand.serve(header_rules=rules)

    opened(stand, host)[0].close()

    arrived = [name for name in names if values(there, name.lower()) == ["v"]]
    assert arrived == [*tokens, "X-After"]


def test_a_rule_that_would_break_the_handoff_is_not_carried_out(stand):
    rules = (
        HeaderRule("set", "Host", "evil.test"),
        HeaderRule("delete", "Sec-WebSocket-Key"),
        HeaderRule("set", "Connection", "close"),
        HeaderRule("append", "Transfer-Encoding", "chunked"),
        HeaderRule("set", "X-Split", "a\r\nX-Injected: yes"),
    )
    host, there = stand.serve(header_rules=rules)

    with opened(stand, host)[0] as connection:
        assert echoes(connection, b"works")

    assert values(there, "host") == [host]
    assert values(there, "x-injected") == values(there, "x-split") == []
    assert len(values(there, "sec-websocket-key")) == 1
    assert values(there, "connection") == ["Upgrade"]
    assert values(there, "transfer-encoding") == []


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
