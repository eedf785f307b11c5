"""How the tests of both engines speak to an edge, and read what it left."""

import json

import trustme

from tests.products.edge.fake_portal import eventually
from tests.products.edge.running import handshake, read_exactly, read_until, status_of

AUTHORITY = trustme.CA()
CLOSE_ENOUGH_BYTES = 64  # of heads: HAProxy counts them as it holds them


def opened(stand, host, *more):
    """Open a tunnel; gives the connection and the head of the answer."""
    connection = stand.edge.connect()
    connection.sendall(handshake(host, *more))
    head = read_until(connection, b"\r\n\r\n")
    assert status_of(head) == 101, head
    return connection, head


def echoes(connection, data):
    connection.sendall(data)
    return read_exactly(connection, len(data)) == data


def service_of(host):
    return host.replace(".", "-")


def fields_of(there):
    lines = there.heads[-1].decode("latin-1").split("\r\n")[1:-2]
    return [
        (name.lower(), value.strip())
        for name, _, value in (line.partition(":") for line in lines)
    ]


def values(there, name):
    return [value for given, value in fields_of(there) if given == name]


def final_record(stand, host):
    def look():
        records = stand.portal.of_service(service_of(host))
        return records[0] if records and records[0].final else None

    return eventually(look)


def log_lines(stand, host):
    path = stand.edge.data / "access.jsonl"
    text = path.read_text() if path.exists() else ""
    lines = [json.loads(line) for line in text.splitlines()]
    return [line for line in lines if line["host"] == host]
