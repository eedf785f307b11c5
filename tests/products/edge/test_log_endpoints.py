"""The customer's endpoints: lines reach them, or are dropped and counted."""

import asyncio
import ssl
import threading
from ipaddress import ip_network

import pytest
import trustme

from products.edge.access_log import LogShipper
from products.edge.contract import LogTls, RouteLogEndpoint
from products.edge.dns import CachingResolver
from products.edge.tls import origin_tls
from tests.products.edge.collecting import https_endpoint
from tests.products.edge.conftest import Stand
from tests.products.edge.fake_portal import eventually
from tests.products.edge.running import get, read_all, read_until
from tests.products.edge.scripted import Origin, answering, plain_answer


@pytest.fixture(scope="module")
def collector(tmp_path_factory):
    """An edge that trusts a private authority, and that authority."""
    authority = trustme.CA()
    folder = tmp_path_factory.mktemp("collector")
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    stand = Stand(folder, "--ca-file", str(folder / "ca.pem"))
    stand.edge.is_shared = True
    yield stand, authority
    stand.edge.kill()  # it would try for two seconds to deliver its last lines
    stand.close()


@pytest.mark.parametrize(
    "kind, address",
    [
        ("https", "http://localhost:1/"),
        ("https", "https://localhost:99999/"),
        ("https", "https://[/"),
        ("https", "ftp://localhost/"),
        ("https", ""),
        ("syslog", "localhost"),
        ("syslog", "localhost:port"),
        ("syslog", "localhost:1"),
        ("syslog", "169.254.169.254:80"),
        ("https", "https://169.254.169.254/latest"),
    ],
)
async def test_an_endpoint_that_cannot_be_reached_costs_its_lines_alone(
    kind, address, monkeypatch
):
    monkeypatch.setattr("products.edge.access_log._PAUSE_SECONDS", 0)
    shipper = LogShipper("edge-1", origin_tls(), CachingResolver(()))

    shipper.ship(RouteLogEndpoint(kind, "bad", address), "s", b"{}\n")
    await shipper.close(20)

    assert shipper.dropped == 1


def test_an_endpoint_with_an_untrusted_certificate_gets_no_lines(collector):
    stand, _ = collector
    with https_endpoint(trustme.CA(), "localhost") as (url, bodies):
        endpoint = RouteLogEndpoint("https", "untrusted", url)
        host, _ = stand.serve(answering(plain_answer()), log_endpoints=(endpoint,))
        stand.edge.ask(get(host))
        eventually(lambda: "Log endpoint untrusted" in stand.edge.log())

    assert bodies == []


async def test_a_slow_endpoint_fills_only_its_queue(monkeypatch):
    monkeypatch.setattr("products.edge.access_log._MAX_ENDPOINT_LINES", 10)
    shipper = LogShipper("edge-1", origin_tls(), CachingResolver(()))
    endpoint = RouteLogEndpoint("syslog", "slow", "203.0.113.1:514")

    for _ in range(25):
        shipper.ship(endpoint, "s", b"{}\n")

    assert shipper.dropped == 15
    await shipper.close(0)


async def test_endpoints_that_answer_slowly_do_not_delay_others(tmp_path, monkeypatch):
    monkeypatch.setattr("products.edge.access_log._DELIVERY_SECONDS", 1.0)
    monkeypatch.setattr("products.edge.access_log._PAUSE_SECONDS", 0)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    here = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
    shipper = LogShipper(
        "edge-1", origin_tls(str(tmp_path / "ca.pem")), CachingResolver(here)
    )
    ended = threading.Event()

    def drip(connection, there):
        there.heads.append(b"")
        while not ended.wait(0.1):
            connection.sendall(b"H")

    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(tls)
    slow = Origin(drip, tls)
    lines = []
    good = Origin(lambda connection, there: lines.append(read_all(connection)))

    for number in range(40):
        url = f"https://localhost:{slow.port}/{number}"
        shipper.ship(RouteLogEndpoint("https", "slow", url), f"s{number}", b"{}\n")
    await asyncio.to_thread(eventually, lambda: len(slow.heads) == 40)
    shipper.ship(
        RouteLogEndpoint("syslog", "good", f"127.0.0.1:{good.port}"), "s", b"{}\n"
    )

    assert (await asyncio.to_thread(eventually, lambda: lines))[0].endswith(b"{}")
    await shipper.close(20)
    assert shipper.dropped == 40
    ended.set()
    slow.close()
    good.close()


LOCAL = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


def mutual_tls(authority, clients):
    """Return the context of a server that asks for a client certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("logs.test").configure_cert(context)
    context.verify_mode = ssl.CERT_REQUIRED
    clients.configure_trust(context)
    return context


async def test_syslog_uses_tls_with_the_customers_certificates_and_token():
    authority, clients = trustme.CA(), trustme.CA()
    client = clients.issue_cert("edge@example.com")
    lines = []
    server = Origin(
        lambda connection, there: lines.append(read_all(connection)),
        mutual_tls(authority, clients),
    )
    shipper = LogShipper("edge-1", origin_tls(), CachingResolver(LOCAL))
    endpoint = RouteLogEndpoint(
        "syslog",
        "own",
        f"127.0.0.1:{server.port}",
        tls=LogTls(
            "logs.test",
            authority.cert_pem.bytes().decode(),
            client.cert_chain_pems[0].bytes().decode(),
            client.private_key_pem.bytes().decode(),
        ),
        token="secret",
    )

    shipper.ship(endpoint, "s", b"{}\n")
    await shipper.close(20)

    assert (await asyncio.to_thread(eventually, lambda: lines))[0].endswith(
        b" - secret {}"
    )
    assert shipper.dropped == 0
    server.close()


async def test_https_sends_the_method_content_type_and_header_of_the_customer():
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(tls)
    server = Origin(
        lambda connection, there: (
            there.heads.append(read_until(connection, b"\r\n\r\n")),
            connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n"),
        ),
        tls,
    )
    shipper = LogShipper("edge-1", origin_tls(), CachingResolver(LOCAL))
    endpoint = RouteLogEndpoint(
        "https",
        "own",
        f"https://localhost:{server.port}/in",
        tls=LogTls(ca_cert=authority.cert_pem.bytes().decode()),
        method="PUT",
        content_type="text/plain",
        header_name="Authorization",
        header_value="Bearer key",
    )

    shipper.ship(endpoint, "s", b"{}\n")
    await shipper.close(20)

    (head,) = server.heads
    assert head.startswith(b"PUT /in HTTP/1.1\r\n")
    assert b"Content-Type: text/plain\r\nAuthorization: Bearer key\r\n" in head
    assert shipper.dropped == 0
    server.close()


@pytest.mark.parametrize(
    "settings",
    [
        {"tls": LogTls(ca_cert="no certificate")},
        {"tls": LogTls(client_cert="none", client_key="none")},
        {"header_name": "X-Key", "header_value": "a\r\nHost: evil"},
        {"header_name": "a b", "header_value": "x"},
        {"content_type": "a\nb"},
    ],
)
async def test_settings_that_cannot_be_used_cost_the_lines_alone(settings, monkeypatch):
    monkeypatch.setattr("products.edge.access_log._PAUSE_SECONDS", 0)
    shipper = LogShipper("edge-1", origin_tls(), CachingResolver(LOCAL))

    shipper.ship(
        RouteLogEndpoint("https", "bad", "https://localhost:1/", **settings),
        "s",
        b"{}\n",
    )
    await shipper.close(20)

    assert shipper.dropped == 1
