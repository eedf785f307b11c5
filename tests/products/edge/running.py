"""A real edge in a process of its own, and raw sockets to speak to it with."""

import base64
import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path

from tests.products.edge.fake_portal import CREDENTIAL, eventually, route

ROOT = Path(__file__).parents[3]
# What tests opened; closed after each test, whether it went well or not.
opened_sockets: list[socket.socket] = []
started_edges: list["Edge"] = []
KEY = base64.b64encode(b"sixteen bytes ok").decode()


def handshake(host, *more, version="13", key=KEY, target="/"):
    """Write a correct opening handshake, with more lines if wanted."""
    lines = [
        f"GET {target} HTTP/1.1",
        f"Host: {host}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Version: {version}",
        f"Sec-WebSocket-Key: {key}",
        *more,
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


class Edge:
    """One edge, started with settings that suit tests."""

    def __init__(self, portal, folder, *more, env=None, wait=True):
        self.is_shared = False
        self.portal = portal
        self.folder = Path(folder)
        self.folder.mkdir(exist_ok=True)
        secret = self.folder / "credential"
        secret.write_text(CREDENTIAL + "\n")
        self.data = self.folder / "data"
        self.errors = (self.folder / "stderr").open("ab")
        arguments = [
            sys.executable, "-m", "products.edge",
            "--portal", portal.url, "--credential-file", str(secret),
            "--data-dir", str(self.data), "--bind", "127.0.0.1:0",
            "--allow-private", "127.0.0.0/8", "--allow-private", "::1/128",
            "--poll-seconds", "0.01", "--report-seconds", "0.1",
            "--tick-seconds", "0.2", *more,
        ]  # fmt: skip
        self.process = subprocess.Popen(
            arguments,
            cwd=ROOT,
            env={**os.environ, **(env or {})},
            stdout=subprocess.PIPE,
            stderr=self.errors,
        )
        started_edges.append(self)
        self.port = self.tls_port = 0
        if wait:
            self.wait_until_it_serves()

    def wait_until_it_serves(self):
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], 30)
        line = ready[0].readline().decode() if ready else ""
        assert line, f"the edge did not start: {self.log()}"
        ports = [part.rpartition(":")[2] for part in line.split() if "://" in part]
        self.port = int(ports[0])
        self.tls_port = int(ports[1]) if ports[1:] else 0

    def log(self):
        return (self.folder / "stderr").read_text()

    def apply(self, *routes):
        """Publish a table and wait until every worker uses it."""
        revision = self.portal.table.revision + 1
        marker = route(f"revision-{revision}.test")
        self.portal.publish(*routes, marker)
        eventually(lambda: self.portal.etag in self.portal.seen_etags)
        eventually(lambda: b"has no origin" in self.ask(get(marker.hosts[0])))
        # After a reload, HAProxy's old worker accepts connections for a moment longer.
        eventually(lambda: len(self._listening_haproxies()) <= 1)

    def connect(self):
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        opened_sockets.append(connection)
        return connection

    def ask(self, request):
        """Send bytes and give all that comes until the edge closes."""
        with self.connect() as connection:
            connection.sendall(request)
            return read_all(connection)

    def workers(self):
        listing = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in listing.read_text().split()]

    def _listening_haproxies(self):
        if not (self.data / "haproxy").exists():
            return []
        listening = f"socket:[{_listening_inode(self.port)}]"
        return [
            process
            for process in haproxies_in(self.data)
            if listening in open_files(process)
        ]

    def kill(self):
        self.process.kill()
        self.process.wait(20)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(40)
            except subprocess.TimeoutExpired:
                self.kill()
        self.process.stdout.close()
        self.errors.close()
        return self.process.returncode


def get(host, *more, target="/", method="GET"):
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *more]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def is_refused(port):
    """Whether a port accepts no connections."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except (ConnectionRefusedError, ConnectionResetError):
        return True
    return False


def read_all(connection):
    data = bytearray()
    try:
        while chunk := connection.recv(65_536):
            data += chunk
    except ConnectionResetError:
        data += b"<reset>"
    return bytes(data)


def read_until(connection, mark):
    """Read up to and with a mark, byte by byte, so that nothing after it is taken."""
    data = bytearray()
    while not data.endswith(mark):
        byte = connection.recv(1)
        assert byte, f"closed before {mark!r}: {bytes(data)!r}"
        data += byte
    return bytes(data)


def read_exactly(connection, count):
    data = bytearray()
    while len(data) < count:
        chunk = connection.recv(count - len(data))
        assert chunk, f"closed after {len(data)} of {count} bytes"
        data += chunk
    return bytes(data)


def status_of(answer):
    return int(answer.split(b" ", 2)[1])


def haproxies_in(data):
    """Return the process ids of the HAProxy of a data folder, the master first."""
    argument = str(data / "haproxy").encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if argument in words:
            found.append(int(folder.name))
    return sorted(found)


def open_files(process):
    """Return what a process's file descriptors refer to; nothing after it has exited."""
    found = set()
    with contextlib.suppress(OSError):
        for link in Path(f"/proc/{process}/fd").iterdir():
            with contextlib.suppress(OSError):  # closed meanwhile
                found.add(str(link.readlink()))
    return found


def _listening_inode(port):
    """Return the inode of the IPv4 socket that listens on a port; "" if there is none."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, _, state, *rest = line.split()
        if state == "0A" and int(local.rpartition(":")[2], 16) == port:
            return rest[5]
    return ""
