"""Origins for tests: one that follows a script, one that upgrades and then echoes."""

import base64
import contextlib
import hashlib
import socket
import threading

from tests.products.edge.running import read_until


class Origin:
    """Runs a script on every connection, and remembers what it read.

    A script is called with (connection, origin); what it raises ends the connection.
    """

    def __init__(self, script, tls=None):
        self.script = script
        self.heads = []
        self.bodies = []
        self.connections = 0
        self.tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._run, args=[connection], daemon=True).start()

    def _run(self, connection):
        connection.settimeout(30)
        with (
            contextlib.suppress(OSError, AssertionError),
            contextlib.ExitStack() as stack,
        ):
            stack.enter_context(connection)
            if self.tls is not None:
                connection = self.tls.wrap_socket(connection, server_side=True)
                stack.enter_context(connection)
            self.script(connection, self)

    def read_head(self, connection):
        head = read_until(connection, b"\r\n\r\n")
        self.heads.append(head)
        return head

    def close(self):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # else accept() holds it open
        self._listener.close()


def accept_of(head):
    """Give the Sec-WebSocket-Accept for a handshake (RFC 6455, 4.2.2)."""
    key = next(
        line.partition(b":")[2].strip()
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"sec-websocket-key:")
    )
    guid = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    return base64.b64encode(hashlib.sha1(key + guid).digest())


def switching(head):
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Accept: " + accept_of(head) + b"\r\n\r\n"
    )


def upgrade_then_echo(connection, origin):
    """Open a tunnel and send every byte back, until the other side ends."""
    connection.sendall(switching(origin.read_head(connection)))
    while data := connection.recv(65_536):
        connection.sendall(data)


def upgrade_then(rest):
    """Open a tunnel, then do the rest with the connection."""

    def script(connection, origin):
        connection.sendall(switching(origin.read_head(connection)))
        rest(connection)

    return script


def answering(answer):
    """Answer every request with the same bytes, after reading its head."""

    def script(connection, origin):
        origin.read_head(connection)
        connection.sendall(answer)

    return script


def plain_answer(body=b"hello", status=b"200 OK"):
    length = b"Content-Length: %d\r\n\r\n" % len(body)
    return b"HTTP/1.1 " + status + b"\r\n" + length + body
