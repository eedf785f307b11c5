"""What a version holds, on the wire: two encodings, Fastly's defaults, Fastly's refusals."""

import pytest

from accounts.audit.models import AuditEvent
from products.services.models import Backend, Domain
from tests.factories.keys import FORM, client_of
from tests.factories.services import BackendFactory, live_version

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
    """Return Eve's client, at the tests' hour."""
    time_machine.move_to("2026-11-22T12:00:00Z", tick=False)
    return client_of(eve)


@pytest.fixture
def base(shop):
    """Return the path of the draft."""
    return f"/service/{shop.pk}/version/1"


def test_a_backend_has_fastly_s_defaults(api, base, shop):
    Backend.objects.all().delete()

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
def test_the_port_switches_tls_unless_the_request_says_so(api, base, form, tls):
    answer = api.post(f"{base}/backend", f"name=o&address=o.example.com&{form}", FORM)

    assert answer.json()["use_ssl"] is tls
    assert Backend.objects.get(name="o").use_ssl is tls


@pytest.mark.parametrize(
    ("address", "ipv4", "ipv6"),
    [("192.0.2.1", "192.0.2.1", None), ("2001:db8::1", None, "2001:db8::1")],
)
def test_an_address_that_is_an_ip_address_is_shown_as_one(
    api, base, address, ipv4, ipv6
):
    answer = api.post(f"{base}/backend", f"name=o&address={address}", FORM).json()

    assert (answer["hostname"], answer["ipv4"], answer["ipv6"]) == (address, ipv4, ipv6)


def test_json_with_real_types_is_taken_too(api, base):
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

    assert (answer.json()["override_host"], answer.json()["shield"]) == (None, None)
    row = Backend.objects.get(name="o")
    assert (row.override_host, row.shield) == (None, None)


def test_a_client_s_private_key_is_kept_but_never_shown(api, base):
    form = "ssl_client_key=secret&ssl_client_cert=certificate"

    put = api.put(f"{base}/backend/origin", form, FORM)
    got = api.get(f"{base}/backend/origin")

    assert (put.json()["ssl_client_key"], got.json()["ssl_client_key"]) == (None, None)
    assert got.json()["ssl_client_cert"] == "certificate"
    assert Backend.objects.get(name="origin").ssl_client_key == "secret"


def test_a_name_in_a_change_renames(api, base):
    answer = api.put(f"{base}/backend/origin", "name=other&ServiceID=x", FORM)

    assert answer.json()["name"] == "other"
    assert [row.name for row in Backend.objects.all()] == ["other"]


def test_a_change_that_changes_nothing_is_fine_and_not_noted(api, base):
    answer = api.put(f"{base}/backend/origin", "port=80", FORM)

    assert answer.status_code == 200
    assert not AuditEvent.objects.exists()


def test_a_taken_name_is_409(api, base):
    answer = api.post(f"{base}/backend", "name=origin&address=o.example.com", FORM)

    assert answer.status_code == 409
    assert answer.json() == {
        "msg": "Duplicate record",
        "detail": "Duplicate backend: 'origin'",
    }


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_an_unknown_name_is_404_in_fastly_s_words(api, base, shop, method):
    answer = api.generic(method, f"{base}/backend/a%2Fb", "", FORM)

    assert answer.status_code == 404
    assert answer.json() == {
        "msg": "Record not found",
        "detail": "Couldn't find Backend '{ deleted => 0000-00-00 00:00:00, name => a/b, "
        f"service => {shop.pk}, version => 1 }}'",
    }


@pytest.mark.parametrize("number", ["2", "99999999999999999999"])
def test_an_unknown_version_is_404(api, shop, number):
    answer = api.get(f"/service/{shop.pk}/version/{number}/backend")

    assert answer.status_code == 404
    assert answer.json()["detail"] == (
        f"Couldn't find Version '{{ deleted => 0000-00-00 00:00:00, number => {number}, "
        f"service => {shop.pk} }}'"
    )


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "backend"),
        ("PUT", "backend/origin"),
        ("DELETE", "backend/origin"),
        ("POST", "domain"),
    ],
)
def test_a_version_that_is_live_is_locked(eve, shop, method, path):
    live_version(shop, "shop.example.com")
    form = "name=a.example.com&address=a.example.com&port=99"

    answer = client_of(eve).generic(
        method, f"/service/{shop.pk}/version/1/{path}", form, FORM
    )

    assert answer.status_code == 422
    assert answer.json() == {
        "msg": "Version locked",
        "detail": f"Version '1' for service '{shop.pk}' is locked",
    }
    assert [row.name for row in Backend.objects.all()] == ["origin"]


def test_a_removed_object_is_answered_with_ok(api, base):
    answer = api.delete(f"{base}/domain/shop.example.com")

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert not Domain.objects.exists()


@pytest.mark.parametrize("person", ["una", "bo"])
@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "backend"), ("PUT", "backend/origin"), ("DELETE", "backend/origin")],
)
def test_who_may_not_configure_is_refused(person, method, path, draft, base, request):
    api = client_of(request.getfixturevalue(person))

    answer = api.generic(method, f"{base}/{path}", "name=o&address=o.example.com", FORM)

    assert answer.status_code == 403
    assert [row.name for row in Backend.objects.all()] == ["origin"]
    assert not AuditEvent.objects.exists()


def test_who_may_not_configure_reads_all_the_same(una, draft, base):
    answer = client_of(una).get(f"{base}/backend/origin")

    assert (answer.status_code, answer.json()["name"]) == (200, "origin")


def test_a_domain_is_kept_in_lower_case_and_found_in_any(api, base, shop):
    made = api.post(f"{base}/domain", "name=WWW.Example.com&comment=c", FORM)
    found = api.get(f"{base}/domain/www.EXAMPLE.com")

    assert (
        made.json()
        == found.json()
        == {
            "name": "www.example.com",
            "comment": "c",
            "service_id": shop.pk,
            "version": 1,
            "created_at": "2026-11-22T12:00:00Z",
            "updated_at": "2026-11-22T12:00:00Z",
            "deleted_at": None,
        }
    )


def test_a_snippet_is_all_text(api, base, shop):
    form = "name=s&type=recv&content=return(upgrade)%3B&priority=50&dynamic=0"

    answer = api.post(f"{base}/snippet", form, FORM).json()

    assert answer.pop("id").isdigit()
    assert answer == {
        "name": "s",
        "type": "recv",
        "content": "return(upgrade);",
        "priority": "50",
        "dynamic": "0",
        "service_id": shop.pk,
        "version": "1",
        "created_at": "2026-11-22T12:00:00Z",
        "updated_at": "2026-11-22T12:00:00Z",
        "deleted_at": None,
    }


def test_a_header_is_all_text_or_null(api, base, shop):
    form = "name=h&type=request&action=set&dst=http.X-Tenant&src=acme&ignore_if_set=1"

    answer = api.post(f"{base}/header", form, FORM).json()

    assert answer == {
        "name": "h",
        "action": "set",
        "type": "request",
        "dst": "http.X-Tenant",
        "src": "acme",
        "regex": "",
        "substitution": "",
        "ignore_if_set": "1",
        "priority": "100",
        "request_condition": None,
        "cache_condition": None,
        "response_condition": None,
        "service_id": shop.pk,
        "version": "1",
        "created_at": "2026-11-22T12:00:00Z",
        "updated_at": "2026-11-22T12:00:00Z",
        "deleted_at": None,
    }


def test_a_vcl_file_has_a_real_boolean_and_a_number(api, base):
    answer = api.post(
        f"{base}/vcl", "name=main&content=sub+x+%7B%7D&main=1", FORM
    ).json()

    assert (answer["main"], answer["version"], answer["content"]) == (
        True,
        1,
        "sub x {}",
    )


def test_a_name_that_is_no_text_is_refused(api, base):
    answer = api.post(
        f"{base}/domain", {"name": ["a.example.com"]}, content_type="application/json"
    )

    assert answer.status_code == 400
    assert answer.json() == {"msg": "Bad request", "detail": "name: Write a text."}


@pytest.mark.parametrize(
    "kind", ["condition", "request_settings", "healthcheck", "gzip"]
)
def test_what_is_not_kept_is_an_empty_list_and_cannot_be_added(api, base, kind):
    listed = api.get(f"{base}/{kind}")
    added = api.post(f"{base}/{kind}", "name=x", FORM)

    assert (listed.status_code, listed.json()) == (200, [])
    assert added.status_code == 400
    assert added.json() == {
        "msg": "Bad request",
        "detail": f"A version here cannot hold '{kind}'.",
    }
