"""What the origin sees: the client's fields, changed by rules, with the edge's own (R11)."""

import pytest

from products.edge.contract import HeaderRule
from products.edge.headers import prepare_rules, request_bytes, request_fields
from products.edge.proxy.http1 import parse_request
from tests.products.edge.fake_portal import origin
from tests.products.edge.proxy.test_tunnel import open_tunnel
from tests.products.edge.running import get, handshake
from tests.products.edge.scripted import Origin, answering, plain_answer


def seen_by_origin(lines, rules=(), client="192.0.2.7", scheme="https"):
    head = parse_request(
        ("\r\n".join(["GET /x HTTP/1.1", *lines]) + "\r\n\r\n").encode("latin-1")
    )
    fields = request_fields(
        head, client=client, scheme=scheme, rules=prepare_rules(rules)
    )
    text = request_bytes(
        head, fields, host=head.host_field, hop=[(b"Connection", b"close")]
    )
    return text.decode("latin-1").split("\r\n")


OWN = [
    "X-Forwarded-For: 192.0.2.7",
    "X-Forwarded-Proto: https",
    "X-Forwarded-Host: a.test:80",
]


def test_fields_pass_in_their_order_and_spelling():
    seen = seen_by_origin(
        ["Host: a.test:80", "ACCEPT: b", "x-c: d  e", "Cookie: f", "Cookie: g"]
    )

    assert seen == [
        "GET /x HTTP/1.1", "Host: a.test:80", "ACCEPT: b", "x-c: d  e", "Cookie: f", "Cookie: g",
        *OWN, "Connection: close", "", "",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "forged",
    [
        "X-Forwarded-For: 1.2.3.4", "x-forwarded-proto: http", "X-Forwarded-Host: b.test",
        "X-Forwarded-Port: 1", "X_Forwarded_For: 1.2.3.4", "Forwarded: for=1.2.3.4",
    ],
)  # fmt: skip
def test_forged_fields_about_the_client_are_replaced(forged):
    seen = seen_by_origin(["Host: a.test:80", forged])

    assert seen == [
        "GET /x HTTP/1.1",
        "Host: a.test:80",
        *OWN,
        "Connection: close",
        "",
        "",
    ]


@pytest.mark.parametrize(
    "hop",
    [
        "Connection: keep-alive", "Keep-Alive: timeout=5", "Proxy-Connection: close",
        "TE: trailers", "Trailer: X", "Upgrade: h2c", "HTTP2-Settings: AAM",
        "Proxy-Authorization: Basic eA==", "Content-Length: 0",
    ],
)  # fmt: skip
def test_fields_of_the_hop_end_with_it(hop):
    seen = seen_by_origin(["Host: a.test:80", hop])

    assert seen == [
        "GET /x HTTP/1.1",
        "Host: a.test:80",
        *OWN,
        "Connection: close",
        "",
        "",
    ]


def test_fields_that_connection_names_end_with_the_hop():
    seen = seen_by_origin(
        ["Host: a.test:80", "Connection: x-secret, close", "X-Secret: 1"]
    )

    assert "X-Secret: 1" not in seen


def test_connection_cannot_name_fields_away_that_the_handshake_needs():
    seen = seen_by_origin(
        ["Host: a.test:80", "Connection: Sec-WebSocket-Key", "Sec-WebSocket-Key: k"]
    )

    assert "Sec-WebSocket-Key: k" in seen


RULES = {
    "set replaces all": (
        [HeaderRule("set", "X-A", "new")],
        ["X-A: 1", "x-a: 2"],
        [*OWN, "X-A: new"],
    ),
    "set adds": ([HeaderRule("set", "X-A", "new")], [], [*OWN, "X-A: new"]),
    "append is one more line": (
        [HeaderRule("append", "X-A", "2")],
        ["X-A: 1"],
        ["X-A: 1", *OWN, "X-A: 2"],
    ),
    "delete removes all": ([HeaderRule("delete", "x-a")], ["X-A: 1", "X-a: 2"], OWN),
    "rules act in their order": (
        [
            HeaderRule("delete", "X-A"),
            HeaderRule("append", "X-A", "1"),
            HeaderRule("append", "X-A", "2"),
        ],
        ["X-A: 0"],
        [*OWN, "X-A: 1", "X-A: 2"],
    ),
    "an empty value is a value": (
        [HeaderRule("set", "X-A", "")],
        ["X-A: 1"],
        [*OWN, "X-A: "],
    ),
    "rules may speak of the client's address": (
        [HeaderRule("delete", "X-Forwarded-For")],
        [],
        OWN[1:],
    ),
}


@pytest.mark.parametrize("name", RULES)
def test_rules_change_what_the_origin_sees(name):
    rules, given, expected = RULES[name]

    seen = seen_by_origin(["Host: a.test:80", *given], rules)

    assert seen[2:-3] == expected


@pytest.mark.parametrize(
    "name",
    [
        "Connection", "upgrade", "HOST", "Content-Length", "Transfer-Encoding", "TE", "Trailer",
        "Keep-Alive", "Sec-WebSocket-Key", "sec-websocket-version", "Sec-WebSocket-Protocol",
        "Sec-WebSocket-Extensions", "Sec-WebSocket-Accept",
    ],
)  # fmt: skip
@pytest.mark.parametrize("action", ["set", "append", "delete"])
def test_rules_cannot_touch_what_the_hand_off_lives_by(name, action):
    assert prepare_rules([HeaderRule(action, name, "x")]) == ()


@pytest.mark.parametrize(
    "name, value",
    [
        ("X-A", "a\r\nHost: evil"), ("X-A", "a\nb"), ("X-A", "a\rb"), ("X-A", "a\x00b"),
        ("X-A", "snow\u2603"), ("X A", "b"), ("X-A:", "b"), ("", "b"), ("X\r\nY", "b"),
        ("X-\u00e9", "b"),
    ],
)  # fmt: skip
def test_a_rule_that_could_write_a_line_of_its_own_is_left_out(name, value):
    good = HeaderRule("set", "X-Good", "yes")

    prepared = prepare_rules([HeaderRule("set", name, value), good])

    assert [rule.name for rule in prepared] == [b"X-Good"]


def test_rules_and_override_host_reach_a_real_origin(shared_stand):
    there = Origin(answering(plain_answer()))
    host, _ = shared_stand.serve(
        to=origin(there.port, override_host="origin.example"),
        header_rules=(
            HeaderRule("set", "X-Set", "1"),
            HeaderRule("delete", "User-Agent"),
            HeaderRule("set", "Host", "evil.example"),
        ),
    )

    shared_stand.edge.ask(get(host, "User-Agent: test", "X-Set: 0"))

    assert there.heads == [
        (
            "GET / HTTP/1.1\r\nHost: origin.example\r\nX-Forwarded-For: 127.0.0.1\r\n"
            f"X-Forwarded-Proto: http\r\nX-Forwarded-Host: {host}\r\nX-Set: 1\r\n"
            "Connection: close\r\n"
            f"CDN-Loop: tollgate;service={host.replace('.', '-')}\r\n\r\n"
        ).encode()
    ]
    there.close()


def test_rules_act_on_handshakes(shared_stand):
    host, there = shared_stand.serve(
        header_rules=(
            HeaderRule("append", "X-More", "2"),
            HeaderRule("delete", "Sec-WebSocket-Key"),
        ),
    )

    open_tunnel(shared_stand.edge, host).close()

    assert b"\r\nX-More: 2\r\n" in there.heads[0]
    assert b"\r\nSec-WebSocket-Key: " in there.heads[0]
    assert handshake(host).count(b"X-More") == 0
