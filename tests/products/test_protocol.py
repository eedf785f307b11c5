"""What a host name, an address, a header and an endpoint may be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from products import protocol

LABELS = "A host name has labels"
LENGTH = "A host name has 1 to 253 characters."


@pytest.mark.parametrize(
    "host",
    [
        "a",
        "localhost",
        "echo.localhost",
        "www.example.com",
        "xn--bcher-kva.example",
        "r3---sn-abc.example.com",
        "1.example.com",
        "a" * 63 + ".example.com",
        ".".join(["a" * 61] * 4),
    ],
)
def test_a_host_name_is_taken(host):
    assert protocol.host_problem(host) == ""
    assert protocol.domain_problem(host) == ""
    assert protocol.address_problem(host) == ""


@pytest.mark.parametrize(
    ("host", "problem"),
    [
        ("", LENGTH),
        ("a" * 64 + ".example.com", LABELS),
        (".".join(["a" * 63] * 4), LENGTH),
        ("-a.example.com", LABELS),
        ("a-.example.com", LABELS),
        ("a..example.com", LABELS),
        ("example.com.", LABELS),
        (".example.com", LABELS),
        ("a_b.example.com", LABELS),
        ("a b.example.com", LABELS),
        ("a.example.com:80", LABELS),
        ("a.example.com\n", LABELS),
        ("https://example.com", LABELS),
        ("Example.com", LABELS),
        ("192.0.2.1", "Enter a host name, not an IP address."),
        ("bücher.example", "Use the ASCII (punycode) form"),
        ("xn--a.example", LABELS),
        ("xn--.example", LABELS),
        ("xn--99999999999.example", LABELS),
    ],
)
def test_what_is_no_host_name_is_refused(host, problem):
    assert protocol.host_problem(host).startswith(problem)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("*.example.com", ""),
        ("*.a.example.com", ""),
        ("*", LABELS),
        ("*.", "A wildcard needs two or more labels"),
        ("*.com", "A wildcard needs two or more labels"),
        ("*.*.example.com", LABELS),
        ("a.*.example.com", LABELS),
        ("*a.example.com", LABELS),
        ("*." + ".".join(["a" * 63] * 4)[:252], LENGTH),
    ],
)
def test_a_wildcard_is_the_whole_first_label(name, problem):
    assert protocol.domain_problem(name).startswith(problem)
    assert bool(protocol.domain_problem(name)) is bool(problem)


@pytest.mark.parametrize(
    "address", ["192.0.2.1", "2001:db8::1", "::1", "Origin.Example.com"]
)
def test_an_address_may_be_a_literal_or_a_name(address):
    assert protocol.address_problem(address) == ""


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("192.0.2.256", "Enter a host name or an IP address, "),
        ("192.0.2", "Enter a host name or an IP address, "),
        ("[::1]", "Enter a host name or an IP address, "),
        ("fe80::1%eth0", "Enter a host name or an IP address, "),
        ("origin.example.com:443", "Enter a host name or an IP address, "),
        (
            "http://origin.example.com",
            "Enter a host name or an IP address, without http://, path or user name. ",
        ),
        ("*.example.com", LABELS),
        ("", LENGTH),
    ],
)
def test_what_is_neither_literal_nor_name_is_refused(address, problem):
    assert protocol.address_problem(address).startswith(problem)


@pytest.mark.parametrize(
    ("dst", "name"),
    [("http.X-Tenant", "X-Tenant"), ("X-Tenant", "X-Tenant"), ("http.url", "url")],
)
def test_a_rule_names_a_header_with_and_without_http(dst, name):
    assert protocol.header_name(dst) == name
    assert protocol.header_name_problem(dst) == ""


@pytest.mark.parametrize(
    ("dst", "problem"),
    [
        ("", "A header name has only"),
        ("http.", "A header name has only"),
        ("X Tenant", "A header name has only"),
        ("X-Tenant:", "A header name has only"),
        ("X-Tenant\r\nX-Other", "A header name has only"),
        ("Ü", "A header name has only"),
        ("url", "url is not a header field. Use http.Name."),
    ],
)
def test_what_is_no_header_name_is_refused(dst, problem):
    assert protocol.header_name_problem(dst).startswith(problem)


@pytest.mark.parametrize(
    "name",
    [
        "Connection",
        "upgrade",
        "Host",
        "Content-Length",
        "Transfer-Encoding",
        "Keep-Alive",
        "TE",
        "Trailer",
        "Sec-WebSocket-Key",
        "CDN-Loop",
        "Proxy-Connection",
        "Proxy-Authorization",
    ],
)
def test_a_header_of_the_hand_off_is_protected(name):
    problem = f"{name} is a protected header and can't be changed by a rule."
    assert protocol.protection_problem(name) == problem
    assert protocol.protection_problem(f"http.{name}") == problem


@pytest.mark.parametrize(
    "name", ["X-Host", "Authorization", "Cookie", "Sec-Fetch-Mode"]
)
def test_another_header_is_not_protected(name):
    assert protocol.protection_problem(name) == ""


@pytest.mark.parametrize(
    ("src", "value"),
    [
        ('"abc"', "abc"),
        ('""', ""),
        ('{"a "quoted" word"}', 'a "quoted" word'),
        ("abc", "abc"),
        ("req.http.Host", "req.http.Host"),
        ('"a" "b"', '"a" "b"'),
        ('"', '"'),
    ],
)
def test_the_value_of_a_vcl_string_is_what_its_quotes_enclose(src, value):
    assert protocol.header_value(src) == value


@pytest.mark.parametrize("src", ["a\r\nb", "a\nb", "a\0b", '"a\nb"', "\x7f", "€"])
def test_a_value_that_would_break_the_message_is_refused(src):
    assert protocol.header_value_problem(src).startswith(
        "A header value can't have line breaks"
    )


@pytest.mark.parametrize("src", ["", "plain", "a\tb", "café", '"with blanks"'])
def test_a_plain_value_is_taken(src):
    assert protocol.header_value_problem(src) == ""


@pytest.mark.parametrize(
    "url",
    [
        "https://logs.example.com/in",
        "https://logs.example.com:8443/in?key=1",
        "https://192.0.2.1/",
        "https://[2001:db8::1]:8443/in",
    ],
)
def test_an_https_url_is_taken(url):
    assert protocol.https_url_problem(url) == ""


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://logs.example.com/in",
        "https://",
        "https:///in",
        "https://user@logs.example.com/",
        "https://logs.example.com/#part",
        "https://logs.example.com:0/",
        "https://logs.example.com:99999/",
        "https://logs.example.com/a b",
        "https://logs.example.com/\r\nHost: x",
        "https://lo gs.example.com/",
        "https://[::1/",
        "https://-a.example.com/",
        "ftp://logs.example.com/",
    ],
)
def test_what_is_no_https_url_is_refused(url):
    assert protocol.https_url_problem(url) != ""


@pytest.mark.parametrize(
    ("endpoint", "problem"),
    [
        ("logs.example.com:514", ""),
        ("192.0.2.1:514", ""),
        ("[2001:db8::1]:514", ""),
        ("logs.example.com", "Enter host:port"),
        (":514", LENGTH),
        ("logs.example.com:", "Enter host:port"),
        ("logs.example.com:x", "Enter host:port"),
        ("logs.example.com:٣", "Enter host:port"),
        ("logs.example.com:0", "Enter a port from 1 to 65535."),
        ("logs.example.com:65536", "Enter a port from 1 to 65535."),
        ("logs.example.com:" + "9" * 5000, "Enter a port from 1 to 65535."),
        ("2001:db8::1:514", "Enter an IPv6 address in brackets."),
        ("[logs.example.com]:514", "Enter an IPv6 address in brackets."),
        ("https://logs.example.com:514", "Enter an IPv6 address in brackets."),
    ],
)
def test_a_syslog_endpoint_is_host_and_port(endpoint, problem):
    assert protocol.endpoint_problem(endpoint).startswith(problem)
    assert bool(protocol.endpoint_problem(endpoint)) is bool(problem)


@given(st.text())
def test_no_text_upsets_the_rules(text):
    results = [
        problem_of(text)
        for problem_of in (
            protocol.domain_problem,
            protocol.address_problem,
            protocol.header_name_problem,
            protocol.header_value_problem,
            protocol.https_url_problem,
            protocol.endpoint_problem,
        )
    ]

    assert all(isinstance(result, str) for result in results)


@given(st.text())
def test_a_host_that_is_taken_survives_idna_and_encoding(text):
    taken = protocol.host_problem(text) == ""

    assert not taken or text.encode("ascii").decode() == text == text.lower().strip(
        ". "
    )


@pytest.mark.parametrize(
    "host, name",
    [
        ("example.com", "example.com"),
        ("example.com.", "example.com"),
        ("example.com:8443", "example.com"),
        ("[::1]:443", "::1"),
        ("::1", "::1"),
        ("192.0.2.1", "192.0.2.1"),
    ],
)
def test_a_port_is_not_part_of_a_certificates_name(host, name):
    assert protocol.certificate_name("origin.test", host) == name


def test_without_an_override_host_the_certificate_is_for_the_address():
    assert protocol.certificate_name("origin.test", None) == "origin.test"
