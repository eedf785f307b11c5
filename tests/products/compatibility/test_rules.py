"""Each compatibility rule: what breaks it and nothing else, and what does not."""

from dataclasses import replace

import pytest

from products.compatibility.backend_settings import (
    BACKEND_LABELS,
    BLOCKING_SETTINGS,
    IGNORED_SETTINGS,
)
from products.compatibility.findings import Finding, Severity
from products.compatibility.rules import all_findings, blocking_switch
from products.compatibility.version_config import (
    BackendConfig,
    HeaderConfig,
    LogEndpointConfig,
    OriginCertificate,
    VersionConfig,
)

WEBSOCKETS = frozenset({"websockets"})
SOURCE = "https://docs.fastly.com/products/websockets"
ORIGIN = BackendConfig(
    name="origin",
    address="ws.example",
    port=443,
    use_ssl=True,
    override_host="ws.example",
)
VALUES = {
    "ssl_check_cert": False,
    "auto_loadbalance": True,
    "prefer_ipv6": True,
    "tcp_keepalive_enable": True,
    "min_tls_version": "1.2",
    "max_tls_version": "1.3",
    "healthcheck": "ping",
    "share_key": "key",
    "ssl_ciphers": "AES128",
    "request_condition": "only/chat",
    "ssl_ca_cert": "-----BEGIN CERTIFICATE-----",
    "ssl_client_cert": "-----BEGIN CERTIFICATE-----",
    "ssl_client_key": "-----BEGIN PRIVATE KEY-----",
    "client_cert": "-----BEGIN CERTIFICATE-----",
}


def with_backends(*backends, **rest):
    return VersionConfig(number=8, backends=backends, **rest)


def found(config, products=WEBSOCKETS, certificates=()):
    return [
        (each.rule, each.severity, each.backend, each.field)
        for each in all_findings(config, products, certificates)
    ]


def test_a_backend_of_honoured_settings_alone_has_no_finding():
    config = with_backends(ORIGIN, headers=(HeaderConfig(name="add", dst="http.X-A"),))

    assert all_findings(config, WEBSOCKETS, [OriginCertificate("origin", "ok")]) == ()


def test_a_backend_left_at_its_defaults_has_no_finding():
    assert (
        all_findings(
            with_backends(BackendConfig(name="a", address="b.example")), WEBSOCKETS
        )
        == ()
    )


def test_a_version_without_backends_has_no_finding():
    assert all_findings(VersionConfig(number=1), WEBSOCKETS) == ()


def test_a_shield_blocks_and_the_whole_finding_says_what_to_do():
    config = with_backends(replace(ORIGIN, shield="fra-de-de"))

    assert all_findings(config, WEBSOCKETS) == (
        Finding(
            code="shielding_with_websockets",
            severity=Severity.BLOCKS,
            rule="R6",
            source=SOURCE,
            message="Backend origin uses the shield fra-de-de. WebSockets can't be combined with shielding.",
            remedy="Clear the Shield field. Connections then go from the edge directly to the origin.",
            backend="origin",
            field="shield",
        ),
    )


def test_the_shield_of_a_further_backend_blocks_too():
    config = with_backends(
        ORIGIN, BackendConfig(name="b", address="b.example", shield="fra")
    )

    assert ("R6", Severity.BLOCKS, "b", "shield") in found(config)


def test_the_next_gen_waf_on_the_service_blocks():
    assert found(with_backends(ORIGIN), WEBSOCKETS | {"ngwaf"}) == [
        ("R7", Severity.BLOCKS, None, "products")
    ]


@pytest.mark.parametrize(
    ("on", "with_", "rules"),
    [
        ({"ngwaf"}, "websockets", ["R6", "R7"]),
        ({"ngwaf", "bot_management"}, "websockets", ["R6", "R7"]),
        ({"bot_management"}, "websockets", ["R6"]),
        ({"websockets"}, "ngwaf", ["R7"]),
        ({"websockets"}, "bot_management", []),
        (set(), "ngwaf", []),
    ],
)
def test_switching_on_is_blocked_by_the_other_products_and_the_active_version(
    on, with_, rules
):
    config = with_backends(replace(ORIGIN, shield="fra", weight=5))

    found = blocking_switch(config, frozenset(on), with_=with_)

    assert [each.rule for each in found] == rules


def test_switching_on_is_checked_without_an_active_version_too():
    found = blocking_switch(None, frozenset({"ngwaf"}), with_="websockets")

    assert [each.rule for each in found] == ["R7"]


def test_a_version_that_does_not_use_websockets_has_no_finding():
    config = with_backends(replace(ORIGIN, shield="fra"))

    assert all_findings(config, frozenset({"ngwaf"})) == ()


@pytest.mark.parametrize("field", BLOCKING_SETTINGS)
def test_a_setting_that_is_unsafe_to_ignore_blocks(field):
    config = with_backends(replace(ORIGIN, **{field: VALUES[field]}))

    assert found(config) == [("R8", Severity.BLOCKS, "origin", field)]


@pytest.mark.parametrize("field", IGNORED_SETTINGS)
def test_a_setting_without_effect_is_a_warning_that_names_it(field):
    config = with_backends(replace(ORIGIN, **{field: VALUES.get(field, 7)}))

    findings = all_findings(config, WEBSOCKETS)

    assert found(config) == [("R8", Severity.WARNING, "origin", field)]
    assert findings[0].message == (
        f"{BACKEND_LABELS[field]} of backend origin has no effect on WebSocket connections."
    )


def test_what_is_secret_in_a_setting_is_not_repeated():
    config = with_backends(replace(ORIGIN, ssl_client_key=VALUES["ssl_client_key"]))

    assert "PRIVATE" not in repr(all_findings(config, WEBSOCKETS))


@pytest.mark.parametrize(
    "field", ["ssl_cert_hostname", "ssl_sni_hostname", "ssl_hostname"]
)
@pytest.mark.parametrize(
    ("override_host", "name", "is_refused"),
    [
        ("ws.example", "ws.example", False),
        ("ws.example", "WS.Example.", False),
        (None, "ws.example", False),
        ("", "ws.example", False),
        ("chat.example", "chat.example", False),
        ("chat.example", "ws.example", True),
        (None, "chat.example", True),
        ("ws.example", "", False),
        ("ws.example", None, False),
    ],
)
def test_a_certificate_name_blocks_unless_it_is_the_name_that_is_checked(
    field, override_host, name, is_refused
):
    config = with_backends(
        replace(ORIGIN, override_host=override_host, **{field: name})
    )

    expected = [("R8", Severity.BLOCKS, "origin", field)] if is_refused else []
    assert found(config) == expected


def test_what_the_command_line_client_fills_in_has_no_finding():
    config = with_backends(
        replace(ORIGIN, ssl_cert_hostname="ws.example", ssl_sni_hostname="ws.example")
    )

    assert all_findings(config, WEBSOCKETS) == ()


def test_each_further_backend_is_a_warning_that_names_it():
    config = with_backends(
        ORIGIN,
        BackendConfig(name="amsterdam", address="b.example"),
        BackendConfig(name="berlin", address="c.example"),
    )

    messages = [each.message for each in all_findings(config, WEBSOCKETS)]

    assert found(config) == [
        ("R8", Severity.WARNING, "amsterdam", "name"),
        ("R8", Severity.WARNING, "berlin", "name"),
    ]
    assert messages[0] == (
        "Backend amsterdam gets no WebSocket connections. "
        "All go to the first backend, origin."
    )


@pytest.mark.parametrize(
    ("kind", "severity", "field"),
    [
        ("self_signed", Severity.BLOCKS, "address"),
        ("untrusted", Severity.BLOCKS, "address"),
        ("wrong_name", Severity.BLOCKS, "override_host"),
        ("expired", Severity.BLOCKS, "address"),
        ("not_tls", Severity.BLOCKS, "use_ssl"),
        ("refused_address", Severity.BLOCKS, "address"),
        ("unreachable", Severity.WARNING, "address"),
    ],
)
def test_a_certificate_that_was_seen_blocks_and_one_that_was_not_warns(
    kind, severity, field
):
    certificates = [OriginCertificate("origin", kind)]

    assert found(with_backends(ORIGIN), certificates=certificates) == [
        ("R9", severity, "origin", field)
    ]


@pytest.mark.parametrize(
    "kind", ["self_signed", "not_tls", "unreachable", "refused_address"]
)
def test_a_backend_without_tls_has_no_finding_about_certificates(kind):
    config = with_backends(BackendConfig(name="origin", address="ws.example"))

    assert all_findings(config, WEBSOCKETS, [OriginCertificate("origin", kind)]) == ()


def test_a_certificate_of_a_backend_that_is_gone_has_no_finding():
    assert (
        all_findings(
            with_backends(ORIGIN), WEBSOCKETS, [OriginCertificate("x", "expired")]
        )
        == ()
    )


def test_a_certificate_for_another_name_is_reported_with_the_wanted_name():
    findings = all_findings(
        with_backends(ORIGIN), WEBSOCKETS, [OriginCertificate("origin", "wrong_name")]
    )

    assert findings[0].message == (
        "The origin of backend origin has a certificate that doesn't match ws.example."
    )


def test_a_log_endpoint_gets_a_note_about_what_lines_lack():
    config = with_backends(ORIGIN, log_endpoints=(LogEndpointConfig("syslog"),))

    assert found(config) == [("R10", Severity.INFO, None, "log_endpoints")]


def test_all_findings_are_reported_together_and_the_grave_ones_first():
    config = with_backends(
        replace(
            ORIGIN,
            shield="fra",
            ssl_check_cert=False,
            weight=1,
            ssl_sni_hostname="x.example",
        ),
        BackendConfig(name="b", address="b.example", client_cert="c"),
        log_endpoints=(LogEndpointConfig("syslog"),),
    )

    result = found(
        config, WEBSOCKETS | {"ngwaf"}, [OriginCertificate("origin", "self_signed")]
    )

    assert result == [
        ("R6", Severity.BLOCKS, "origin", "shield"),
        ("R7", Severity.BLOCKS, None, "products"),
        ("R8", Severity.BLOCKS, "origin", "ssl_check_cert"),
        ("R8", Severity.BLOCKS, "b", "client_cert"),
        ("R8", Severity.BLOCKS, "origin", "ssl_sni_hostname"),
        ("R9", Severity.BLOCKS, "origin", "address"),
        ("R8", Severity.WARNING, "origin", "weight"),
        ("R8", Severity.WARNING, "b", "name"),
        ("R10", Severity.INFO, None, "log_endpoints"),
    ]
