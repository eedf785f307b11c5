"""The portal as in production: PRODUCTION=1, and the shipped HAProxy with TLS in front."""

import json
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPResponse, HTTPSConnection
from pathlib import Path

import trustme

from tests.ci_rules import program
from tests.portal.free_ports import free_port
from tests.stories.stack import OWN, ROOT, START_SECONDS, database, within

HOST = "portal.test"
VISITOR = "127.0.0.2"  # another address than the attacker's


@dataclass(slots=True)
class Production:
    """The running portal behind its proxy."""

    folder: Path
    environment: dict[str, str]
    trust: ssl.SSLContext
    ports: Mapping[str, int]
    host: str  # and port, of PORTAL_URL
    made: Mapping[str, str] = field(default_factory=dict)  # see prepare_database

    def tls(self, port: str = "HTTPS", source: str = VISITOR) -> ssl.SSLSocket:
        """Open a TLS connection to a listener, from an address."""
        # Wrapped before it connects: a socket that is reset while Python wraps it
        # is lost there, open, and cannot be closed.
        plain = socket.socket()
        plain.settimeout(20)
        plain.bind((source, 0))
        connection = self.trust.wrap_socket(plain, server_hostname=HOST)
        try:
            connection.connect(("127.0.0.1", self.ports[port]))
        except OSError:
            connection.close()
            raise
        return connection

    def ask(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        port: str = "HTTPS",
        source: str = VISITOR,
        **headers: str,
    ) -> tuple[HTTPResponse, bytes]:
        """Send one request through the proxy; return the response and its body."""
        connection = HTTPSConnection(HOST, self.ports[port], timeout=20)
        connection.sock = self.tls(port, source)
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(
            method, path, body, {"Host": self.host, "Connection": "close"} | names
        )
        response = connection.getresponse()
        read = response.read()
        connection.close()
        return response, read


@contextmanager
def production(folder: Path, **settings: str) -> Iterator[Production]:
    """Prepare a database and start HAProxy and the web servers; stop all at the end."""
    folder.chmod(0o700)
    authority = trustme.CA()
    certificate = folder / "portal.pem"
    authority.issue_cert(
        HOST, "echo.test", "localhost"
    ).private_key_and_cert_chain_pem.write_to_path(str(certificate))
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    names = ("HTTP", "HTTPS", "EDGES", "PORT", "EDGE_API_PORT", "EDGE", "ECHO")
    ports = {name: free_port() for name in names}
    with ExitStack() as stack:
        chosen = stack.enter_context(database(f"tollgate_production_{ports['PORT']}"))
        kept = {key: value for key, value in os.environ.items() if key not in OWN}
        environment = (
            kept
            | {
                "PRODUCTION": "1",
                "DATA_DIR": str(folder),
                "PORTAL_URL": f"https://{HOST}:{ports['HTTPS']}",
                "EDGE_API_URL": f"https://localhost:{ports['EDGES']}",
                "TRUSTED_PROXIES": "1",
                "PORT": str(ports["PORT"]),
                "EDGE_API_PORT": str(ports["EDGE_API_PORT"]),
                "LOG_LEVEL": "ERROR",
            }
            | (chosen or {"SQLITE_IN_PRODUCTION": "1"})
            | settings
        )
        environment |= proxy_variables(certificate, ports)
        trust = ssl.create_default_context(cafile=str(folder / "ca.pem"))
        host = f"{HOST}:{ports['HTTPS']}"
        running = Production(folder, environment, trust, ports, host)
        running.made = _prepared(running)
        web = [sys.executable, "-m", "portal.web_server"]
        haproxy = haproxy_command("deploy/haproxy-portal.cfg")
        for name, command in (
            ("web", web),
            ("edge_api", [*web, "--edges"]),
            ("haproxy", haproxy),
        ):
            stack.enter_context(started(running, name, command))
        within(START_SECONDS, "the portal answers", lambda: is_reachable(running))
        yield running


def haproxy_command(configuration: str) -> list[str]:
    """Return the command that runs HAProxy with a configuration."""
    return [str(program("haproxy")), "-f", configuration, "-db"]


def proxy_variables(certificate: Path, ports: Mapping[str, int]) -> dict[str, str]:
    """Return what the shipped configuration of HAProxy needs."""
    return {
        "PORTAL_HOST": f"{HOST}:{ports['HTTPS']}",
        "PORTAL_CERTIFICATE": str(certificate),
        "HTTP_BIND": f"127.0.0.1:{ports['HTTP']}",
        "HTTPS_BIND": f"127.0.0.1:{ports['HTTPS']}",
        "EDGES_BIND": f"127.0.0.1:{ports['EDGES']}",
        "PORTAL_SERVER": f"127.0.0.1:{ports['PORT']}",
        "EDGE_API_SERVER": f"127.0.0.1:{ports['EDGE_API_PORT']}",
    }


@contextmanager
def started(running: Production, name: str, command: list[str]) -> Iterator[None]:
    """Run a program with the same settings; stop it at the end. Its output is in a file."""
    with (running.folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, env=running.environment, stdout=log, stderr=log
        )
    try:
        yield
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()
        process.wait()


def _prepared(running: Production) -> dict[str, str]:
    module = "tests.deploy.prepare_database"
    printed = subprocess.run(
        [sys.executable, "-m", module, str(running.ports["ECHO"])],
        cwd=ROOT,
        env=running.environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    made: dict[str, str] = json.loads(printed.splitlines()[-1])
    return made


def is_reachable(running: Production) -> bool:
    """Tell whether pages and edges are answered through the proxy."""
    try:
        pages = running.ask("GET", "/accounts/login/")[0].status
        edges = running.ask("GET", "/api/edge/v1/routes", port="EDGES")[0].status
    except OSError:
        return False
    return (pages, edges) == (200, 401)
