"""What a domain, a header rule, a snippet, a log endpoint may hold; ports and TLS."""

import pytest

from products.services.kinds import KINDS
from products.services.kinds.carried import with_tls_from_port
from products.services.validation import InvalidFields, clean

BACKEND = {"address": "origin.example.com"}
HEADER = {"action": "set", "type": "request", "dst": "http.X-Tenant", "src": '"acme"'}
NEEDED = "This field is required."


def problems(kind, name, fields):
    """Return what `clean` finds wrong."""
    with pytest.raises(InvalidFields) as refusal:
        clean(KINDS[kind], name, fields)
    return refusal.value.problems


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

    assert clean(KINDS["header"], "a", fields)["dst"] == "http.Connection"


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

    assert clean(KINDS["header"], "a", fields) == fields


@pytest.mark.parametrize(
    ("kind", "fields", "culprit"),
    [
        ("logging/https", {"url": "http://logs.example.com/in"}, "url"),
        ("logging/https", {"url": ""}, "url"),
        (
            "logging/https",
            {"url": "https://a.example/", "header_name": "a b"},
            "header_name",
        ),
        (
            "logging/https",
            {"url": "https://a.example/", "header_name": "Content-Length"},
            "header_name",
        ),
        ("logging/syslog", {"address": "a b"}, "address"),
        ("logging/syslog", {"address": "logs.example.com", "port": 0}, "address"),
        ("logging/syslog", {"port": 514}, "address"),
    ],
)
def test_a_log_endpoint_that_cannot_be_reached_is_refused(kind, fields, culprit):
    assert list(problems(kind, "a", fields)) == [culprit]


@pytest.mark.parametrize("type_", ["recv", "deliver", "none"])
def test_a_snippet_belongs_to_a_subroutine(type_):
    assert (
        clean(KINDS["snippet"], "a", {"type": type_, "content": "x"})["type"] == type_
    )
    assert problems("snippet", "a", {"type": "fish", "content": "x"}) == {
        "type": "Choose init, recv, hash, hit, miss, pass, fetch, error, deliver, log or none."
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
