"""Log endpoints in Fastly's format (R10)."""

import pytest
import trustme

from products.compatibility.version_config import LogEndpointConfig
from products.services.describe import version_config
from products.services.models import Part
from tests.factories.keys import FORM, client_of
from tests.factories.services import LogEndpointFactory, parts


@pytest.fixture
def api(eve, draft, time_machine):
    """Return Eve's client, at a fixed time."""
    time_machine.move_to("2026-11-22T12:00:00Z", tick=False)
    return client_of(eve)


@pytest.fixture
def base(shop):
    """Return the path of the draft's log endpoints."""
    return f"/api/service/{shop.pk}/version/1/logging"


def test_an_https_endpoint_is_in_fastlys_format(api, base, shop, draft):
    form = "name=logs&url=https://logs.example.com/in&format=%25%7BX-Tenant%7Di+%25%7BX-Id%7Di"

    answer = api.post(f"{base}/https", form, FORM)

    assert answer.status_code == 200
    assert answer.json() == {
        "name": "logs",
        "service_id": shop.pk,
        "version": "1",
        "url": "https://logs.example.com/in",
        "format": "%{X-Tenant}i %{X-Id}i",
        "format_version": "2",
        "content_type": None,
        "header_name": None,
        "header_value": None,
        "log_processing_region": "none",
        "method": "POST",
        "period": 5,
        "placement": None,
        "request_max_bytes": 0,
        "request_max_entries": 0,
        "response_condition": "",
        "compression_codec": None,
        "gzip_level": 0,
        "add_batch_size_header": False,
        "tls_ca_cert": None,
        "tls_client_cert": None,
        "tls_client_key": None,
        "tls_hostname": None,
        "created_at": "2026-11-22T12:00:00Z",
        "updated_at": "2026-11-22T12:00:00Z",
        "deleted_at": None,
    }
    assert version_config(draft).log_endpoints == (
        LogEndpointConfig(
            "logs", "https", "https://logs.example.com/in", ("X-Tenant", "X-Id")
        ),
    )


@pytest.mark.parametrize(
    ("form", "address", "host", "port"),
    [
        ("address=logs.example.com", "logs.example.com:514", "logs.example.com", 514),
        ("address=192.0.2.1&port=601", "192.0.2.1:601", "192.0.2.1", 601),
        (
            "hostname=logs.example.com&port=601",
            "logs.example.com:601",
            "logs.example.com",
            601,
        ),
        ("address=2001:db8::1&port=601", "[2001:db8::1]:601", "2001:db8::1", 601),
    ],
)
def test_a_syslog_endpoint_is_an_address_and_a_port(
    api, base, draft, form, address, host, port
):
    answer = api.post(f"{base}/syslog", f"name=logs&{form}", FORM).json()

    assert version_config(draft).log_endpoints[0].address == address
    assert (answer["address"], answer["hostname"], answer["port"]) == (host, host, port)
    assert answer["format"] == '%h %l %u %t "%r" %>s %b'


def test_each_kind_lists_its_own_endpoints(api, base, draft):
    LogEndpointFactory.create(version=draft, name="a")
    LogEndpointFactory.create(
        version=draft, name="b", kind="logging/syslog", address="b.example"
    )

    assert [row["name"] for row in api.get(f"{base}/https").json()] == ["a"]
    assert [row["name"] for row in api.get(f"{base}/syslog").json()] == ["b"]
    assert api.get(f"{base}/syslog/a").status_code == 404


def test_an_endpoint_is_changed_and_removed(api, base, draft):
    LogEndpointFactory.create(version=draft, name="a", format="%{X-Id}i")

    changed = api.put(
        f"{base}/https/a", "url=https://b.example.com/in&name=b", FORM
    ).json()
    removed = api.delete(f"{base}/https/b")

    assert (changed["name"], changed["url"]) == ("b", "https://b.example.com/in")
    assert changed["format"] == "%{X-Id}i"
    assert removed.json() == {"status": "ok"}
    assert not parts("logging/https").exists()


@pytest.mark.parametrize(
    ("sort", "form"),
    [
        ("https", "name=a"),
        ("https", "name=a&url=http://logs.example.com"),
        ("syslog", "name=a"),
        ("syslog", "name=a&address=logs.example.com&port=0"),
        ("syslog", "name=a&address=logs.example.com&port=x"),
    ],
)
def test_an_endpoint_without_a_valid_address_is_refused(api, base, sort, form):
    answer = api.post(f"{base}/{sort}", form, FORM)

    assert answer.status_code == 400
    assert not Part.objects.filter(namespace="logging").exists()


def test_names_are_unique_over_all_kinds_of_endpoints(api, base):
    api.post(f"{base}/https", "name=a&url=https://logs.example.com/in", FORM)

    answer = api.post(f"{base}/s3", "name=a", FORM)

    assert answer.status_code == 409
    assert answer.json()["detail"] == "Duplicate logging_syslog: 'a'"


@pytest.mark.parametrize(
    ("form", "reason"),
    [
        ("response_condition=late", "the edge does not check its response condition"),
        (
            "placement=none",
            "its placement leaves the lines to VCL, which the edge does not run",
        ),
        ("tls_ca_cert=x", "its certificates or key can't be read"),
        ("tls_client_cert=x&tls_client_key=y", "its certificates or key can't be read"),
        ("tls_client_key=y", "its client key has no certificate"),
    ],
)
@pytest.mark.parametrize("kind", ["https", "syslog"])
def test_an_endpoint_that_gets_no_lines_is_named_with_the_reason(
    api, base, draft, kind, form, reason
):
    address = "url=https://logs.example.com/in&address=logs.example.com"

    made = api.post(f"{base}/{kind}", f"name=a&{address}&{form}", FORM).json()
    changed = api.put(f"{base}/{kind}/a", "format=x", FORM).json()
    validated = api.get(f"{base.rpartition('/')[0]}/validate").json()

    label = {"https": "HTTPS", "syslog": "syslog"}[kind]
    sentence = f"Stored, but not carried out by the edge: {label} log endpoint a, because {reason}."
    assert made["msg"].startswith(sentence)
    assert changed["msg"] == sentence
    assert sentence in validated["warnings"]
    assert version_config(draft).log_endpoints[0].kind == ""


def test_an_endpoint_with_readable_certificates_gets_lines(api, base, draft):
    authority = trustme.CA()
    own = authority.issue_cert("tollgate.example")
    form = {
        "name": "a",
        "url": "https://logs.example.com/in",
        "tls_ca_cert": authority.cert_pem.bytes().decode(),
        "tls_client_cert": own.cert_chain_pems[0].bytes().decode(),
        "tls_client_key": own.private_key_pem.bytes().decode(),
    }

    made = api.post(f"{base}/https", form, "application/json").json()

    assert "msg" not in made
    assert version_config(draft).log_endpoints[0].kind == "https"
