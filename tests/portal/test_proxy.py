"""Who the client is, behind proxies; and whose Host is accepted."""

import re

import pytest
from django.core import mail
from django.http import HttpRequest, HttpResponse
from django.test import Client

from portal.proxy import is_own_host, read_client
from tests.factories.accounts import UserFactory


def seen(forwarded="", proto="https", peer="127.0.0.1", **others):
    """Return status, address and scheme of a request as the middleware passes it on."""
    request = HttpRequest()
    request.META = {"REMOTE_ADDR": peer, "wsgi.url_scheme": "http"} | others
    if forwarded:
        request.META["HTTP_X_FORWARDED_FOR"] = forwarded
    if proto:
        request.META["HTTP_X_FORWARDED_PROTO"] = proto
    response = read_client(lambda _: HttpResponse())(request)
    left = [name for name in request.META if "FORWARDED" in name or "REAL_IP" in name]
    assert not left
    return (
        response.status_code,
        request.META["REMOTE_ADDR"],
        request.META["wsgi.url_scheme"],
    )


def test_without_proxies_forwarding_headers_have_no_effect(settings):
    settings.TRUSTED_PROXIES = 0

    result = seen(
        "203.0.113.7",
        peer="198.51.100.1",
        HTTP_X_FORWARDED_HOST="evil.test",
        HTTP_FORWARDED="for=203.0.113.7",
        HTTP_X_REAL_IP="203.0.113.7",
    )

    assert result == (200, "198.51.100.1", "http")


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (1, "203.0.113.7", "203.0.113.7"),
        (1, "10.0.0.1, 203.0.113.7", "203.0.113.7"),
        (2, "1.1.1.1, 203.0.113.7,10.0.0.1", "203.0.113.7"),
        (1, "nonsense,203.0.113.7", "203.0.113.7"),
        (1, "2001:db8::1", "2001:db8::1"),
        (1, "::ffff:203.0.113.7", "203.0.113.7"),
    ],
)
def test_the_address_is_the_entry_of_the_outermost_trusted_proxy(
    settings, proxies, forwarded, address
):
    settings.TRUSTED_PROXIES = proxies

    assert seen(forwarded) == (200, address, "https")


@pytest.mark.parametrize(
    ("proxies", "forwarded", "proto"),
    [
        (1, "", "https"),
        (2, "203.0.113.7", "https"),
        (1, "203.0.113.7,", "https"),
        (1, "unknown", "https"),
        (1, "203.0.113.7:4711", "https"),
        (1, "203.0.113.7", ""),
        (1, "203.0.113.7", "wss"),
        (1, "203.0.113.7", "https, http"),
    ],
)
def test_a_request_that_bypassed_a_proxy_is_refused(
    settings, proxies, forwarded, proto
):
    settings.TRUSTED_PROXIES = proxies

    assert seen(forwarded, proto)[0] == 400


@pytest.mark.parametrize("peer", ["198.51.100.1", "", "::2"])
def test_forwarding_headers_count_only_from_the_proxys_network(settings, peer):
    settings.TRUSTED_PROXIES = 1

    assert seen("203.0.113.7", peer=peer)[0] == 400


@pytest.mark.parametrize(
    ("host", "is_own"),
    [
        ("portal.test", True),
        ("PORTAL.test", True),
        ("portal.test:443", True),
        ("alias.test:8443", True),
        ("portal.test:6666", False),
        ("alias.test", False),
        ("portal.test.", False),
        ("portal.test.evil.test", False),
        ("user@portal.test", False),
        ("portal.test, evil.test", False),
        ("portal.test/evil", False),
        ("[::1]", False),
        ("evil.test", False),
        ("", False),
        (None, False),
    ],
)
def test_in_production_host_and_port_must_be_the_portals_own(settings, host, is_own):
    settings.PRODUCTION = True
    settings.PORTAL_URL = "https://portal.test"
    settings.PORTAL_ALIASES = ["alias.test:8443"]
    settings.ALLOWED_HOSTS = ["portal.test", "alias.test"]

    assert is_own_host({} if host is None else {"HTTP_HOST": host}, "https") is is_own


def test_a_foreign_host_gets_a_page_and_no_traceback_in_the_log(db, settings, caplog):
    settings.ALLOWED_HOSTS = ["portal.test"]

    response = Client(headers={"Host": "evil.test"}).get("/accounts/login/")

    assert response.status_code == 400
    assert not any(record.exc_info for record in caplog.records)


@pytest.mark.parametrize("host", ["testserver", "testserver:6666", "other.test"])
def test_the_link_in_an_email_leads_to_the_portal_whatever_the_host(db, settings, host):
    settings.PORTAL_URL = "https://portal.test"
    UserFactory.create(email="sam@acme.test")

    Client(headers={"Host": host}).post(
        "/accounts/password/reset/", {"email": "sam@acme.test"}
    )

    links = re.findall(r"https?://\S+", mail.outbox[0].body)
    assert links
    assert all(link.startswith("https://portal.test/") for link in links)
