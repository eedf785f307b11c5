"""Both engines: odd requests and odd origins, each with the one answer that both give."""

import socket
from collections.abc import Callable

import pytest

from products.edge.contract import HeaderRule
from tests.products.edge.contract.speaking import fields_of, values
from tests.products.edge.fake_portal import origin
from tests.products.edge.running import get, handshake, read_all, status_of
from tests.products.edge.scripted import answering, plain_answer, switching

# A field of a handshake, and the status that the client gets.
FIELDS = {
    "a length with an underscore": ("Content_Length: 5", 400),
    "a coding with an underscore": ("Transfer_Encoding: chunked", 400),
    "a key with underscores": ("Sec_WebSocket_Key: x", 400),
    "an extension with one underscore": ("Sec-WebSocket_Extensions: x", 400),
    "a field below a protected prefix": ("Sec-WebSocket-X_Y: x", 400),
    "a loop with an underscore": ("CDN_Loop: other", 400),
    "a proxy's field with an underscore": ("Proxy_Authorization: Basic x", 400),
    "keep-alive with an underscore": ("keep_alive: 5", 400),
    "an ordinary field with an underscore": ("X_Ordinary: x", 101),
    "an underscore in a value": ("X-Ordinary: content_length", 101),
    "a name that only contains a protected one": ("My_Content_Length: 5", 101),
}


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_that_imitates_a_protected_one_is_refused(stand, field):
    line, status = FIELDS[field]
    host, there = stand.serve()

    with stand.edge.connect() as connection:
        connection.sendall(handshake(host, line))
        answer = connection.recv(65_536)

    assert status_of(answer) == status
    assert len(there.heads) == (1 if status == 101 else 0)


# A field of the client, a rule of the service, and what of it the origin sees.
REWRITTEN = {
    "set replaces both spellings": ("X_Tenant: forged", ("set", "x-tenant"), ["rule"]),
    "set in the other spelling": ("X-Tenant: forged", ("set", "x_tenant"), ["rule"]),
    "delete removes both spellings": ("X_Tenant: forged", ("delete", "X-Tenant"), []),
    "append keeps both": ("X_Tenant: own", ("append", "X-Tenant"), ["own", "rule"]),
    "a forged address": ("X_Real_IP: 1.2.3.4", ("delete", "X-Other"), []),
    "a forged address, plain": ("True-Client-IP: 1.2.3.4", ("delete", "X-Other"), []),
    "another service's address": ("X_Forwarded_Port: 1", ("delete", "X-Other"), []),
    "a field of this hop": ("Proxy-Connection: x", ("delete", "X-Other"), []),
}


@pytest.mark.parametrize("case", REWRITTEN)
def test_names_are_compared_with_hyphens_for_underscores(stand, case):
    line, (action, name), seen = REWRITTEN[case]
    rule = HeaderRule(action, name, "" if action == "delete" else "rule")
    host, there = stand.serve(answering(plain_answer()), header_rules=(rule,))

    stand.edge.ask(get(host, line))

    asked = line.partition(":")[0].lower().replace("_", "-")
    found = [v for n, v in fields_of(there) if n.replace("_", "-") == asked]
    assert sorted(found) == sorted(seen)


def test_a_field_that_connection_names_in_the_other_spelling_stays_with_this_hop(stand):
    host, there = stand.serve(answering(plain_answer()))

    stand.edge.ask(
        get(host, "Connection: close, X_Hop, X-Other", "X-Hop: 1", "X_Other: 2")
    )

    assert values(there, "x-hop") == values(there, "x_other") == []


TARGETS = {
    "http://{}/path": 101,
    "http://{}:80/path": 101,
    "HTTP://{}/path": 101,
    "https://{}:443/path": 101,
    "http://other.test/path": 400,
    "http://{}:81/path": 400,
    "ftp://{}/path": 400,
    "path": 400,
}


@pytest.mark.parametrize("target", TARGETS)
def test_an_absolute_target_names_the_same_host(stand, target):
    host, _ = stand.serve()

    with stand.edge.connect() as connection:
        connection.sendall(handshake(host, target=target.format(host)))
        answer = connection.recv(65_536)

    assert status_of(answer) == TARGETS[target]


def test_a_client_that_ends_its_side_with_its_handshake_gets_the_answer(stand):
    def script(connection, there):
        connection.sendall(switching(there.read_head(connection)) + b"greeting")

    host, _ = stand.serve(script)

    with stand.edge.connect() as connection:
        connection.sendall(handshake(host))
        connection.shutdown(socket.SHUT_WR)
        answer = read_all(connection)

    assert status_of(answer) == 101
    assert answer.endswith(b"\r\n\r\ngreeting")


def test_an_override_host_that_is_an_ipv6_address_has_brackets(stand):
    host, there = stand.serve(answering(plain_answer()))
    stand.change(host, to=origin(there.port, override_host="2001:db8::1"))

    stand.edge.ask(get(host))

    assert values(there, "host") == ["[2001:db8::1]"]


SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\n"
WEBSOCKET = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n"
# What an origin answers to a handshake, and the status that the client gets.
ANSWERS = {
    "a 101 without Upgrade": (SWITCHING + b"Connection: Upgrade\r\n\r\n", 502),
    "a 101 to another protocol": (SWITCHING + WEBSOCKET.replace(b"websocket", b"h2c") + b"\r\n", 502),
    "a 101 with a coding": (SWITCHING + WEBSOCKET + b"Transfer-Encoding: chunked\r\n\r\n", 101),
    "a 101 with a length": (SWITCHING + WEBSOCKET + b"Content-Length: 5\r\n\r\n", 101),
    "a refusal": (b"HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n", 426),
    "a redirect": (b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", 302),
    "two lengths": (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 502),
    "not HTTP": (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", 502),
    "HTTP/2": (b"HTTP/2 200\r\n\r\n", 502),
}  # fmt: skip


@pytest.mark.parametrize("case", ANSWERS)
def test_an_odd_answer_to_a_handshake(stand, case):
    sent, status = ANSWERS[case]
    host, _ = stand.serve(answering(sent))

    answer = stand.edge.ask(handshake(host))

    assert status_of(answer[answer.rindex(b"HTTP/1.1 ") :]) == status


# Whether the origin names protocols in its own fields, and whether a handshake asks.
REQUIRED: dict[str, tuple[bytes, Callable[..., bytes]]] = {
    "a handshake": (WEBSOCKET, handshake),
    "an ordinary request": (WEBSOCKET, get),
    "an origin that names no protocol": (b"", get),
}


@pytest.mark.parametrize("case", REQUIRED)
def test_a_426_names_the_protocol_that_the_edge_offers(stand, case):
    own, request = REQUIRED[case]
    head = b"HTTP/1.1 426 Upgrade Required\r\nContent-Length: 2\r\n" + own + b"\r\nno"
    host, _ = stand.serve(answering(head))

    lines = stand.edge.ask(request(host)).lower().split(b"\r\n")

    assert b"upgrade: websocket" in lines
    assert [
        b"upgrade" in line for line in lines if line.startswith(b"connection:")
    ] == [True]


def test_another_refusal_of_an_origin_keeps_no_upgrade(stand):
    head = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n" + WEBSOCKET + b"\r\n"
    host, _ = stand.serve(answering(head))

    lines = stand.edge.ask(handshake(host)).lower().split(b"\r\n")

    assert b"connection: close" in lines
    assert not any(line.startswith(b"upgrade") for line in lines)


def test_fields_of_the_origins_hop_do_not_reach_the_client(stand):
    own = (
        b"Keep-Alive: timeout=5", b"Keep_Alive: timeout=5", b"Proxy-Authenticate: Basic",
        b"Connection: close, X-Hop", b"X-Hop: 1", b"X_Hop: 2", b"Upgrade: h2c", b"X-Kept: 3",
    )  # fmt: skip
    fields = b"\r\n".join((b"HTTP/1.1 200 OK", b"Content-Length: 0", *own))
    host, _ = stand.serve(answering(fields + b"\r\n\r\n"))

    lines = stand.edge.ask(get(host)).lower().split(b"\r\n")

    names = {line.partition(b":")[0] for line in lines[1:-2]}
    assert names == {b"content-length", b"connection", b"x-kept"}
