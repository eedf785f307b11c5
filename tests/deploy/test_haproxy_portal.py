"""The shipped proxy in front of the portal: what it lets through, and what strangers can't stop."""

import contextlib
import http.client
import json
import re
import socket
import ssl
import threading
from dataclasses import replace

import pytest

from tests.deploy.production import (
    HOST,
    haproxy_command,
    is_reachable,
    proxy_variables,
    started,
)
from tests.portal.free_ports import free_port
from tests.stories.stack import ROOT, START_SECONDS, within

pytestmark = pytest.mark.haproxy
# An address for each attack: the proxy counts the new connections of one.
ATTACKERS = iter(f"127.0.0.{number}" for number in range(20, 30))
TIMEOUT = re.compile(
    r"(timeout (?:http-request|client|http-keep-alive|server) +|wait-for-body time )\d+s"
)
FORM = "application/x-www-form-urlencoded"


@pytest.fixture(scope="module")
def patient(portal, tmp_path_factory):
    """Return the portal behind one more proxy, which ends no attack by itself.

    So whatever it answers is answered during the attack, however slow the machine is. How soon is
    measured by `bench.strangers`.
    """
    folder = tmp_path_factory.mktemp("patient")
    shipped = (ROOT / "deploy/haproxy-portal.cfg").read_text()
    configuration = folder / "haproxy.cfg"
    configuration.write_text(TIMEOUT.sub(r"\g<1>1h", shipped))
    own = {name: free_port() for name in ("HTTP", "HTTPS", "EDGES")}
    ports = {**portal.ports, **own}
    variables = proxy_variables(portal.folder / "portal.pem", ports)
    environment = portal.environment | variables | {"PORTAL_HOST": portal.host}
    other = replace(portal, folder=folder, ports=ports, environment=environment)
    with started(other, "haproxy", haproxy_command(str(configuration))):
        within(START_SECONDS, "the proxy answers", lambda: is_reachable(other))
        yield other


def test_plain_http_is_redirected_to_the_portals_url(portal):
    connection = http.client.HTTPConnection("127.0.0.1", portal.ports["HTTP"])
    connection.request("GET", "/products/?a=b", headers={"Host": "evil.test"})
    response = connection.getresponse()
    connection.close()

    assert response.status == 308
    assert response.getheader("Location") == f"https://{portal.host}/products/?a=b"


def test_a_page_has_hsts_and_cookies_that_only_this_host_gets(portal):
    response, _ = portal.ask("GET", "/accounts/login/")

    assert response.status == 200
    assert response.getheader("Strict-Transport-Security").startswith("max-age=3")
    cookies = response.headers.get_all("Set-Cookie")
    assert cookies
    assert all(each.startswith("__Host-") and "; Secure" in each for each in cookies)
    assert response.getheader("Server") is None


@pytest.mark.parametrize(
    ("host", "status"), [(f"{HOST}:6666", 400), ("evil.test", 400), (HOST, 400)]
)
def test_another_host_is_refused(portal, host, status):
    assert portal.ask("GET", "/accounts/login/", Host=host)[0].status == status


@pytest.mark.parametrize(
    "path", ["/metrics", "/healthz", "/readyz", "/api/edge/v1/routes"]
)
def test_what_is_for_operators_and_edges_is_not_public(portal, path):
    assert portal.ask("GET", path)[0].status == 404


def test_the_edges_listener_serves_nothing_else(portal):
    assert portal.ask("GET", "/api/edge/v1/routes", port="EDGES")[0].status == 401
    assert portal.ask("GET", "/accounts/login/", port="EDGES")[0].status == 404


def test_a_client_cannot_choose_its_address_or_scheme(portal):
    # The middleware would refuse what is not one address and one scheme.
    response, _ = portal.ask(
        "GET",
        "/accounts/login/",
        X_Forwarded_For="203.0.113.7, nonsense",
        X_Forwarded_Proto="http",
        Forwarded="for=203.0.113.7",
    )

    assert response.status == 200


def test_a_name_with_an_underscore_is_dropped(portal):
    with portal.tls() as connection:
        connection.sendall(
            f"GET /accounts/login/ HTTP/1.1\r\nHost: {portal.host}\r\n"
            "X_Forwarded_For: nonsense\r\nX_Forwarded_Proto: ftp\r\n"
            "Connection: close\r\n\r\n".encode()
        )
        answer = connection.recv(100)

    assert answer.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    ("path", "key", "size"),
    [
        ("/api/service", "", 65_537),
        ("/api/sudo", "Fastly-Key: x\r\n", 65_537),
        ("/api/service", "Fastly-Key: x\r\n", 1_048_577),
    ],
)
def test_a_body_above_the_limit_is_refused_before_it_arrives(portal, path, key, size):
    with portal.tls() as connection:
        connection.sendall(
            f"POST {path} HTTP/1.1\r\nHost: {portal.host}\r\n{key}"
            f"Content-Length: {size}\r\n\r\n".encode()
        )
        answer = connection.recv(100)

    assert answer.startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("size", [65_536, 1_048_576])
def test_a_body_within_the_limit_reaches_the_portal(portal, size):
    # With a wrong token the portal would answer, and the proxy close, while the body is sent.
    response, answer = portal.ask(
        "POST", "/api/service", body=b"x" * size, Fastly_Key=portal.made["token"]
    )

    assert response.status == 400
    assert b"not valid JSON" in answer


def test_trace_is_refused(portal):
    assert portal.ask("TRACE", "/")[0].status == 405


def silent(portal, opened, source):
    """Connect and send nothing."""
    address = ("127.0.0.1", portal.ports["HTTPS"])
    opened.enter_context(
        socket.create_connection(address, 5, source_address=(source, 0))
    )


def half_a_head(portal, opened, source):
    connection = opened.enter_context(portal.tls(source=source))
    connection.sendall(b"GET / HTTP/1.1\r\nHost: ")


def slow_body(portal, opened, source):
    connection = opened.enter_context(portal.tls(source=source))
    connection.sendall(
        f"POST /api/sudo HTTP/1.1\r\nHost: {portal.host}\r\nContent-Type: {FORM}\r\n"
        "Content-Length: 60000\r\n\r\nusername=".encode()
    )


def slow_large_body(portal, opened, source):
    connection = opened.enter_context(portal.tls(source=source))
    connection.sendall(
        f"POST /api/service HTTP/1.1\r\nHost: {portal.host}\r\nContent-Type: {FORM}\r\n"
        "Fastly-Key: x\r\nContent-Length: 1000000\r\n\r\n".encode()
        + b"x" * 100_000
    )


def idle_keep_alive(portal, opened, source):
    connection = opened.enter_context(portal.tls(source=source))
    connection.sendall(
        f"GET /static/img/icon.svg HTTP/1.1\r\nHost: {portal.host}\r\n\r\n".encode()
    )
    connection.recv(100)


@pytest.mark.parametrize(
    "attack", [silent, half_a_head, slow_body, slow_large_body, idle_keep_alive]
)
def test_pages_and_edges_are_answered_during_an_attack(patient, attack):
    source = next(ATTACKERS)
    with contextlib.ExitStack() as opened:
        for _ in range(300):
            with contextlib.suppress(OSError):  # the proxy refuses most of them
                attack(patient, opened, source)

        for path, port, status in (
            ("/accounts/login/", "HTTPS", 200),
            ("/api/edge/v1/routes", "EDGES", 401),
        ):
            response, _ = patient.ask("GET", path, port=port)
            assert response.status == status


def test_an_address_that_asks_for_much_that_is_not_there_is_refused(portal):
    seen = [
        portal.ask("GET", f"/nothing/{number}", source="127.0.0.4")[0].status
        for number in range(60)
    ]

    assert seen[0] == 404
    assert seen[-1] == 429
    assert portal.ask("GET", "/accounts/login/")[0].status == 200


def test_an_address_that_connects_without_end_is_closed_before_tls(portal):
    busy = "127.0.0.9"
    address = ("127.0.0.1", portal.ports["HTTPS"])
    for _ in range(300):
        socket.create_connection(address, 5, source_address=(busy, 0)).close()

    with pytest.raises((ConnectionError, ssl.SSLError)):
        portal.ask("GET", "/accounts/login/", source=busy)
    response, _ = portal.ask("GET", "/accounts/login/")

    assert response.status == 200


def test_a_page_is_answered_during_a_flood_of_the_worst_json(portal):
    worst = json.dumps({"username": [[[""] * 5000] * 3]}).encode()[:65_000]
    ended = threading.Event()

    def flood():
        while not ended.is_set():
            with contextlib.suppress(OSError):
                portal.ask("POST", "/api/sudo", body=worst, source="127.0.0.5")

    flooding = [threading.Thread(target=flood, daemon=True) for _ in range(4)]
    for thread in flooding:
        thread.start()
    response, _ = portal.ask("GET", "/accounts/login/")
    ended.set()
    for thread in flooding:
        thread.join()

    assert response.status == 200
