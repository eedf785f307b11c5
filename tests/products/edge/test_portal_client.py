"""The calls to a portal, or to what is in its place, end in a limited time."""

import contextlib
import itertools
import socket
import ssl
import threading
import time

import pytest
import trustme

from products.edge.contract import EdgeStatus
from products.edge.portal import PORTAL_ERRORS, PortalClient
from products.edge.tls import origin_tls

HEAD = b"HTTP/1.1 200 OK\r\n"
BODY = HEAD + b"Content-Length: 1000000\r\n\r\n"


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    """The settings of a server with TLS, and the file of its authority."""
    authority = trustme.CA()
    settings = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(settings)
    file = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    return settings, str(file)


@contextlib.contextmanager
def dripping(start, settings=None):
    """Listen; send the start of a response, then a byte each 50 ms. Yield the port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def drip():
        with contextlib.suppress(OSError):
            connection, _ = listener.accept()
            connection.settimeout(20)
            if settings is not None:
                connection = settings.wrap_socket(connection, server_side=True)
            with connection:
                connection.sendall(start)
                for _ in itertools.repeat(None, 400):
                    time.sleep(0.05)
                    connection.sendall(b"x")

    threading.Thread(target=drip, daemon=True).start()
    with listener:
        yield listener.getsockname()[1]


@pytest.mark.parametrize("start", [HEAD, BODY])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_response_that_comes_in_drops_is_given_up(
    start, scheme, tls, tmp_path, monkeypatch
):
    monkeypatch.setattr("products.edge.portal._MAX_CALL_SECONDS", 0.5)
    settings, authority = tls
    (tmp_path / "credential").write_text("secret")

    with dripping(start, settings if scheme == "https" else None) as port:
        client = PortalClient(
            f"{scheme}://localhost:{port}",
            str(tmp_path / "credential"),
            origin_tls(authority),
        )
        began = time.monotonic()
        with pytest.raises(PORTAL_ERRORS):
            client.routes("", EdgeStatus())

    assert time.monotonic() - began < 10
