"""Backends in Fastly's format: defaults, the port that sets TLS, and no private keys."""

import pytest

from accounts.audit.models import AuditEvent
from tests.factories.keys import FORM, client_of
from tests.factories.services import BackendFactory, parts

# Fastly's own answer to `name=origin&address=origin.example.com`, less the times.
DEFAULTS = {
    "name": "origin",
    "address": "origin.example.com",
    "hostname": "origin.example.com",
    "ipv4": None,
    "ipv6": None,
    "port": 80,
    "use_ssl": False,
    "override_host": None,
    "comment": "",
    "weight": 100,
    "max_conn": 200,
    "max_use": None,
    "max_lifetime": None,
    "connect_timeout": 1000,
    "first_byte_timeout": 15000,
    "between_bytes_timeout": 10000,
    "error_threshold": 0,
    "keepalive_time": None,
    "auto_loadbalance": False,
    "prefer_ipv6": False,
    "request_condition": "",
    "healthcheck": None,
    "shield": None,
    "share_key": None,
    "ssl_check_cert": True,
    "ssl_ca_cert": None,
    "ssl_cert_hostname": None,
    "ssl_sni_hostname": None,
    "ssl_hostname": None,
    "ssl_ciphers": None,
    "ssl_client_cert": None,
    "ssl_client_key": None,
    "client_cert": None,
    "min_tls_version": None,
    "max_tls_version": None,
    "tcp_keepalive_enable": None,
    "tcp_keepalive_probes": None,
    "tcp_keepalive_interval": None,
    "tcp_keepalive_time": None,
    "version": 1,
    "created_at": "2026-11-22T12:00:00Z",
    "updated_at": "2026-11-22T12:00:00Z",
    "deleted_at": None,
}


@pytest.fixture
def api(eve, draft, time_machine):
    """Return Eve's client, at a fixed time."""
    time_machine.move_to("2026-11-22T12:00:00Z", tick=False)
    return client_of(eve)


@pytest.fixture
def base(shop):
    """Return the path of the draft."""
    return f"/api/service/{shop.pk}/version/1"


def test_a_backend_has_fastly_s_defaults(api, base, shop):
    parts("backend").delete()

    answer = api.post(f"{base}/backend", "name=origin&address=origin.example.com", FORM)

    assert answer.status_code == 200
    assert answer.json() == DEFAULTS | {"service_id": shop.pk}


@pytest.mark.parametrize(
    ("form", "tls"),
    [
        ("port=443", True),
        ("port=80", False),
        ("port=8443", False),
        ("port=443&use_ssl=0", False),
        ("port=80&use_ssl=1", True),
        ("use_ssl=True", True),
        ("use_ssl=true&port=8443", True),
    ],
)
def test_the_port_sets_tls_unless_the_request_does(api, base, form, tls):
    answer = api.post(f"{base}/backend", f"name=o&address=o.example.com&{form}", FORM)

    assert answer.json()["use_ssl"] is tls
    assert parts("backend", name="o").get().value("use_ssl") is tls


@pytest.mark.parametrize(
    ("address", "ipv4", "ipv6"),
    [("192.0.2.1", "192.0.2.1", None), ("2001:db8::1", None, "2001:db8::1")],
)
def test_an_ip_address_is_shown_as_ipv4_or_ipv6(api, base, address, ipv4, ipv6):
    answer = api.post(f"{base}/backend", f"name=o&address={address}", FORM).json()

    assert (answer["hostname"], answer["ipv4"], answer["ipv6"]) == (address, ipv4, ipv6)


def test_json_with_real_types_is_accepted(api, base):
    answer = api.post(
        f"{base}/backend",
        {"name": "o", "address": "o.example.com", "port": 443, "ssl_check_cert": False},
        content_type="application/json",
    )

    assert (answer.json()["port"], answer.json()["ssl_check_cert"]) == (443, False)


def test_an_empty_value_unsets_a_setting(api, base, draft):
    BackendFactory.create(
        version=draft, name="o", override_host="x.example", shield="lon"
    )

    answer = api.put(f"{base}/backend/o", "override_host=&shield=", FORM)

    assert (answer.json()["override_host"], answer.json()["shield"]) == (None, "")
    row = parts("backend", name="o").get()
    assert (row.value("override_host"), row.value("shield")) == (None, "")


def test_a_client_key_is_shown_to_who_may_configure_the_service(api, una, base):
    form = "ssl_client_key=secret&ssl_client_cert=certificate"

    put = api.put(f"{base}/backend/origin", form, FORM).json()
    read = client_of(una).get(f"{base}/backend/origin").json()

    assert (put["ssl_client_key"], put["ssl_client_cert"]) == ("secret", "certificate")
    assert (read["ssl_client_key"], read["ssl_client_cert"]) == (None, "certificate")


def test_a_name_in_a_change_renames(api, base):
    answer = api.put(f"{base}/backend/origin", "name=other&ServiceID=x", FORM)

    assert answer.json()["name"] == "other"
    assert [row.name for row in parts("backend")] == ["other"]


def test_a_change_without_effect_succeeds_and_is_not_recorded(api, base):
    answer = api.put(f"{base}/backend/origin", "port=80", FORM)

    assert answer.status_code == 200
    assert not AuditEvent.objects.exists()
