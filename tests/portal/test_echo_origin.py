"""The demo's origin over real sockets: echo, headers, page."""

import http.client
import json
import subprocess
import sys
from pathlib import Path

import pytest
from websockets.sync.client import connect

from tests.portal.waiting import until

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def origin(free_port):
    """Run the origin; return its port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "portal.echo_origin", "--port", str(free_port)], cwd=ROOT
    )
    until(lambda: responds(free_port), "the origin's first response")
    yield free_port
    process.terminate()
    assert process.wait(30) == 0


def responds(port):
    try:
        return request(port, "/headers").status == 200
    except OSError:
        return False


def request(port, path, method="GET", headers=None):
    """Return the response to one HTTP request, with its body in `text`."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path, headers=headers or {})
    response = connection.getresponse()
    response.text = response.read().decode()
    connection.close()
    return response


def test_every_message_is_returned_unchanged(origin):
    with connect(f"ws://127.0.0.1:{origin}/any/path", proxy=None) as socket:
        for message in ("Grüße", "", b"\x00\xff"):
            socket.send(message)
        received = [socket.recv(10) for _ in range(3)]

    assert received == ["Grüße", "", b"\x00\xff"]


def test_the_message_headers_returns_the_headers_of_the_handshake(origin):
    added_by_edge = {"X-Added-By-A-Rule": "yes"}
    with connect(
        f"ws://127.0.0.1:{origin}/path?q=1",
        additional_headers=added_by_edge,
        proxy=None,
    ) as socket:
        socket.send("headers")
        seen = json.loads(socket.recv(10))

    assert seen["path"] == "/path?q=1"
    assert ["X-Added-By-A-Rule", "yes"] in seen["headers"]
    assert ["Host", f"127.0.0.1:{origin}"] in seen["headers"]


def test_a_request_for_headers_returns_its_own(origin):
    response = request(origin, "/headers", headers={"X-One": "1"})

    assert response.getheader("Content-Type") == "application/json"
    assert ["X-One", "1"] in json.loads(response.text)["headers"]


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/?from=edge", "text/html; charset=utf-8"),
        ("/page.css", "text/css; charset=utf-8"),
        ("/page.js", "text/javascript; charset=utf-8"),
        ("/icon.svg", "image/svg+xml"),
    ],
)
def test_the_page_and_its_files_are_served_under_a_strict_policy(origin, path, kind):
    response = request(origin, path)

    assert (response.status, response.getheader("Content-Type")) == (200, kind)
    policy = response.getheader("Content-Security-Policy")
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "unsafe" not in policy


def test_a_path_without_a_file_is_not_found(origin):
    response = request(origin, "/../settings.py")

    assert (response.status, response.text) == (404, "Not found.\n")


def test_a_head_request_gets_no_body(origin):
    response = request(origin, "/", method="HEAD")

    assert (response.status, response.text) == (200, "")
    assert int(response.getheader("Content-Length")) > 1000


def test_a_method_other_than_get_is_refused(origin):
    response = request(origin, "/", method="DELETE")

    assert (response.status, response.text) == (405, "Only GET and HEAD are allowed.\n")
