"""Ordinary HTTP through the edge: complete or visibly broken, never cached, always counted."""

import socket
import threading

import pytest

from tests.products.edge.fake_portal import eventually
from tests.products.edge.running import (
    get,
    read_all,
    read_exactly,
    read_until,
    status_of,
)
from tests.products.edge.scripted import answering, plain_answer

CLOSE = b"\r\nConnection: close\r\n\r\n"


ANSWERS = {
    "by length": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 5" + CLOSE + b"hello",
    ),
    "by length, with more behind it": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5" + CLOSE + b"hello",
    ),
    "without a body": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0" + CLOSE,
    ),
    "204": (b"HTTP/1.1 204 No Content\r\n\r\n", b"HTTP/1.1 204 No Content" + CLOSE),
    "304": (
        b"HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nETag: x" + CLOSE,
    ),
    "without a reason": (
        b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 \r\nContent-Length: 2" + CLOSE + b"ok",
    ),
    "in chunks": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nA: b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked"
        + CLOSE
        + b"5\r\nhello\r\n0\r\n\r\n",
    ),
    "until the end": (
        b"HTTP/1.1 200 OK\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked"
        + CLOSE
        + b"5\r\nhello\r\n0\r\n\r\n",
    ),
    "until the end, in HTTP/1.0": (
        b"HTTP/1.0 200 OK\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked"
        + CLOSE
        + b"5\r\nhello\r\n0\r\n\r\n",
    ),
    "fields of the hop": (
        b"HTTP/1.1 200 OK\r\nConnection: x-hop\r\nX-Hop: 1\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2" + CLOSE + b"ok",
    ),
    "two cookies": (
        b"HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 2"
        + CLOSE
        + b"ok",
    ),
    "an interim answer first": (
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nContent-Length: 2" + CLOSE + b"ok",
    ),
    "an error of the origin's": (
        plain_answer(b"oops", b"500 Internal Server Error"),
        b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 4" + CLOSE + b"oops",
    ),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_a_response_arrives_with_new_framing(shared_stand, name):
    given_answer, expected = ANSWERS[name]
    host, _ = shared_stand.serve(answering(given_answer))

    assert shared_stand.edge.ask(get(host)) == expected


BROKEN = {
    "cut off by length": b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello",
    "cut off in chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    "malformed chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("name", BROKEN)
def test_half_a_response_does_not_look_complete(shared_stand, name):
    host, _ = shared_stand.serve(answering(BROKEN[name]))

    answer = shared_stand.edge.ask(get(host))

    assert status_of(answer or b"x 200 ") == 200
    assert (
        not answer.endswith((b"hello", b"0\r\n\r\n")) or b"Content-Length: 9" in answer
    )


FAULTY = {
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "a length and chunks": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    ),
    "an unknown coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nxx",
    "chunks in HTTP/1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a length in words": b"HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\nhello",
    "a folded field": b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n",
    "a space before the colon": b"HTTP/1.1 200 OK\r\nX : a\r\n\r\n",
    "a bare line feed": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "a null": b"HTTP/1.1 200 OK\r\nX: \x00\r\n\r\n",
    "HTTP/2": b"HTTP/2 200 OK\r\n\r\n",
    "an uncalled-for 101": (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    ),
    "a head without end": b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000,
    "interim answers without end": b"HTTP/1.1 103 Early Hints\r\n\r\n" * 50,
    "nothing": b"",
}


@pytest.mark.parametrize("name", FAULTY)
def test_a_response_that_is_not_http_is_a_bad_gateway(shared_stand, name):
    host, _ = shared_stand.serve(answering(FAULTY[name]))

    answer = shared_stand.edge.ask(get(host))

    assert status_of(answer.rpartition(b"HTTP/1.1 103 Early Hints\r\n\r\n")[2]) == 502
    assert answer.count(b"502 Bad Gateway") == 1


def test_a_head_request_gets_the_length_and_no_body(shared_stand):
    host, there = shared_stand.serve(
        answering(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
    )

    answer = shared_stand.edge.ask(get(host, method="HEAD"))

    assert answer == b"HTTP/1.1 200 OK\r\nContent-Length: 5" + CLOSE
    assert there.heads[0].startswith(b"HEAD / HTTP/1.1\r\n")


def test_a_client_of_http_10_gets_no_chunks(shared_stand):
    host, _ = shared_stand.serve(
        answering(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
        )
    )

    answer = shared_stand.edge.ask(get(host).replace(b"HTTP/1.1", b"HTTP/1.0"))

    assert answer == b"HTTP/1.1 200 OK" + CLOSE + b"hello"


def test_a_large_body_passes_both_ways(shared_stand):
    size = 5_000_000

    def script(connection, origin):
        origin.read_head(connection)
        body = read_exactly(connection, size)
        connection.sendall(plain_answer(body))

    host, _ = shared_stand.serve(script)
    body = bytes(range(250)) * (size // 250)

    with shared_stand.edge.connect() as connection:
        request = get(host, f"Content-Length: {size}", method="POST") + body
        sender = threading.Thread(
            target=connection.sendall, args=[request], daemon=True
        )
        sender.start()
        answer = read_all(connection)
        sender.join(60)

    assert answer.endswith(body)


def test_a_client_that_waits_for_100_gets_it_from_the_origin(shared_stand):
    def script(connection, origin):
        origin.read_head(connection)
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        connection.sendall(plain_answer(read_exactly(connection, 4)))

    host, _ = shared_stand.serve(script)

    with shared_stand.edge.connect() as connection:
        connection.sendall(
            get(host, "Expect: 100-continue", "Content-Length: 4", method="POST")
        )
        assert read_until(connection, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"body")
        assert read_all(connection).endswith(b"\r\n\r\nbody")


def test_an_origin_can_respond_before_it_has_read_the_body(shared_stand):
    host, _ = shared_stand.serve(
        answering(plain_answer(b"too large", b"413 Content Too Large"))
    )

    with shared_stand.edge.connect() as connection:
        connection.sendall(
            get(host, "Content-Length: 1000000", method="POST") + b"x" * 10
        )
        answer = read_all(connection)

    assert status_of(answer) == 413
    assert answer.endswith(b"too large")


def test_a_body_that_ends_too_early_does_not_reach_the_origin_as_whole(shared_stand):
    def script(connection, origin):
        origin.read_head(connection)
        origin.bodies.append(read_all(connection))

    host, there = shared_stand.serve(script)

    with shared_stand.edge.connect() as connection:
        connection.sendall(get(host, "Content-Length: 10", method="POST") + b"half")
        connection.shutdown(socket.SHUT_WR)
        answer = read_all(connection)

    assert status_of(answer) == 400
    assert eventually(lambda: there.bodies)[0].replace(b"<reset>", b"") in (
        b"half",
        b"",
    )


def test_requests_and_bytes_are_counted_as_delivery(shared_stand):
    host, _ = shared_stand.serve(answering(plain_answer(b"z" * 1000)))
    service = host.replace(".", "-")

    answers = [shared_stand.edge.ask(get(host)) for _ in range(3)]

    assert eventually(lambda: shared_stand.portal.delivered(service)[0] == 3)
    assert shared_stand.portal.delivered(service) == (
        3,
        3 * len(get(host)),
        sum(len(answer) for answer in answers),
    )


def test_error_responses_of_the_edge_are_not_delivery(shared_stand):
    host, there = shared_stand.serve()
    there.close()

    assert status_of(shared_stand.edge.ask(get(host))) == 502
    other, _ = shared_stand.serve(answering(plain_answer()))
    shared_stand.edge.ask(get(other))
    eventually(lambda: shared_stand.portal.delivered(other.replace(".", "-"))[0])

    assert shared_stand.portal.delivered(host.replace(".", "-")) == (0, 0, 0)
