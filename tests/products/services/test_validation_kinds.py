"""What a domain, a header rule, a snippet, a log endpoint may hold; ports and TLS."""

import pytest

from products.services.validation import InvalidFields, clean, with_tls_from_port

BACKEND = {"address": "origin.example.com"}
HEADER = {"action": "set", "type": "request", "dst": "http.X-Tenant", "src": '"acme"'}
NEEDED = "This field is required."


def problems(kind, name, fields):
    """Return what `clean` finds wrong."""
    with pytest.raises(InvalidFields) as refusal:
        clean(kind, name, fields)
    return refusal.value.problems


def test_a_domain_is_kept_in_lower_case():
    assert clean("domain", "WWW.Example.COM", {"comment": "x"}) == {
        "name": "www.example.com",
        "comment": "x",
    }


def test_a_domain_must_be_a_host_name():
    assert problems("domain", "no host", {})["name"].startswith(
        "A host name has labels"
    )


@pytest.mark.parametrize("action", ["set", "append", "delete", "regex", "regex_repeat"])
def test_no_rule_about_the_request_touches_a_protected_header(action):
    fields = HEADER | {"action": action, "dst": "http.Sec-WebSocket-Key", "regex": "x"}

    assert problems("header", "a", fields) == {
        "dst": "Sec-WebSocket-Key is a protected header and can't be changed by a rule."
    }


@pytest.mark.parametrize("type_", ["cache", "response"])
def test_protection_is_about_requests(type_):
    fields = HEADER | {"type": type_, "dst": "http.Connection"}

    assert clean("header", "a", fields)["dst"] == "http.Connection"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"src": ""}, {"src": NEEDED}),
        ({"src": "a\nb"}, {"src": "Must be a single line."}),
        (
            {"action": "append", "src": "€"},
            {"src": "A header value can't have"},
        ),
        ({"action": "regex"}, {"regex": NEEDED}),
        ({"action": "regex_repeat"}, {"regex": NEEDED}),
        ({"dst": "X Tenant"}, {"dst": "A header name has only"}),
        ({"priority": "high"}, {"priority": "Enter a whole number from 0 to"}),
    ],
)
def test_a_header_rule_that_makes_no_sense_is_refused(change, problem):
    found = problems("header", "a", HEADER | change)

    assert found.keys() == problem.keys()
    assert all(found[field].startswith(words) for field, words in problem.items())


def test_a_rule_that_deletes_needs_no_value():
    fields = {"action": "delete", "type": "request", "dst": "Cookie"}

    assert clean("header", "a", fields) == {"name": "a", **fields}


@pytest.mark.parametrize(
    ("kind", "address"),
    [
        ("https", "https://logs.example.com/in"),
        ("syslog", "logs.example.com:514"),
        ("s3", "any bucket"),
    ],
)
def test_a_log_endpoint_has_an_address_of_its_kind(kind, address):
    values = clean(
        "log_endpoint", "a", {"kind": kind, "address": address, "fields": ("Host",)}
    )

    assert values == {"name": "a", "kind": kind, "address": address, "fields": ["Host"]}


@pytest.mark.parametrize(
    ("kind", "address", "culprit"),
    [
        ("https", "http://logs.example.com/in", "address"),
        ("https", "", "address"),
        ("syslog", "logs.example.com", "address"),
        ("a b", "x", "kind"),
    ],
)
def test_a_log_endpoint_that_cannot_be_reached_is_refused(kind, address, culprit):
    fields = {"kind": kind, "address": address}

    assert list(problems("log_endpoint", "a", fields)) == [culprit]


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("Host", "Enter a list of header names."),
        (None, "Enter a list of header names."),
        (["a b"], "“a b” is not a valid header name."),
        (["x" * 256], f"“{'x' * 50}” is not a valid header name."),
        (["a"] * 51, "Enter at most 50 header names."),
    ],
)
def test_the_fields_of_a_log_line_are_header_names(value, problem):
    fields = {"kind": "s3", "address": "x", "fields": value}

    assert problems("log_endpoint", "a", fields) == {"fields": problem}


@pytest.mark.parametrize("type_", ["recv", "deliver", "none"])
def test_a_snippet_belongs_to_a_subroutine(type_):
    assert clean("snippet", "a", {"type": type_, "content": "x"})["type"] == type_
    assert problems("snippet", "a", {"type": "fish", "content": "x"}) == {
        "type": "Value 'fish' is not a valid choice."
    }


@pytest.mark.parametrize(
    ("given_fields", "use_ssl"),
    [
        ({"port": 443}, True),
        ({"port": "443"}, True),
        ({"port": 80}, False),
        ({"port": 8443}, None),
        ({}, None),
        ({"port": 443, "use_ssl": False}, False),
        ({"port": 80, "use_ssl": "1"}, "1"),
    ],
)
def test_a_port_switches_tls_unless_the_request_does(given_fields, use_ssl):
    assert with_tls_from_port(given_fields).get("use_ssl") == use_ssl
