"""What a part of a version may hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.errors import NotFound
from products.protocol import certificate_name
from products.services.kinds import KINDS
from products.services.validation import InvalidFields, clean, kind_of

BACKEND = {"address": "origin.example.com"}
HEADER = {"action": "set", "type": "request", "dst": "http.X-Tenant", "src": '"acme"'}
NEEDED = "This field is required."


def problems(kind, name, fields):
    """Return what `clean` finds wrong."""
    with pytest.raises(InvalidFields) as refusal:
        clean(KINDS[kind], name, fields)
    return refusal.value.problems


def test_values_come_back_as_they_are_kept():
    values = clean(
        KINDS["backend"],
        "origin",
        {
            "address": "origin.example.com",
            "port": "443",
            "use_ssl": "1",
            "auto_loadbalance": "False",
            "override_host": "",
            "healthcheck": None,
            "comment": None,
            "max_use": "",
            "tcp_keepalive_enable": "",
            "weight": 7,
        },
    )

    assert values == {
        "address": "origin.example.com",
        "port": 443,
        "use_ssl": True,
        "auto_loadbalance": False,
        "override_host": None,
        "healthcheck": None,
        "comment": None,
        "max_use": None,
        "tcp_keepalive_enable": None,
        "weight": 7,
    }


def test_all_problems_are_reported_together():
    with pytest.raises(InvalidFields) as refusal:
        clean(
            KINDS["header"], " ", {"action": "explode", "type": "request", "colour": 1}
        )

    assert refusal.value.problems == {
        "action": "Choose set, append, delete, regex or regex_repeat.",
        "colour": "Unknown field.",
        "name": NEEDED,
        "dst": NEEDED,
    }
    assert refusal.value.field == "name"
    assert refusal.value.details[-1] == "colour: Unknown field."
    assert refusal.value.details[0] == f"name, dst: {NEEDED}"
    assert refusal.value.message == " ".join(refusal.value.details)


def test_an_unknown_kind_is_not_there():
    with pytest.raises(NotFound, match="Versions have no parts of the kind teapot"):
        kind_of("teapot")


@pytest.mark.parametrize(
    ("kind", "needed"),
    [
        ("domain", {}),
        ("backend", {"address": NEEDED}),
        ("header", {"action": NEEDED, "type": NEEDED, "dst": NEEDED}),
        ("snippet", {"type": NEEDED, "content": NEEDED}),
        ("vcl", {"content": NEEDED}),
        ("logging/https", {"url": NEEDED}),
        ("logging/syslog", {"address": NEEDED}),
    ],
)
def test_what_a_kind_cannot_be_without_is_asked_for(kind, needed):
    fields = {"colour": "red"}  # so that there is always something wrong

    assert problems(kind, "a.example.com", fields) == {
        "colour": "Unknown field.",
        **needed,
    }


@pytest.mark.parametrize("field", ["id", "version", "created_at", "name", "pk"])
def test_a_column_that_users_cannot_set_is_an_unknown_field(field):
    assert problems("backend", "origin", BACKEND | {field: "x"}) == {
        field: "Unknown field."
    }


@pytest.mark.parametrize(
    ("field", "least", "most"),
    [
        ("port", 0, 65535),
        ("weight", 1, 2**31 - 1),
        ("connect_timeout", 0, 600_000),
        ("max_conn", 0, 2**31 - 1),
        ("tcp_keepalive_time", 0, 2**31 - 1),
    ],
)
def test_a_number_keeps_within_its_bounds(field, least, most):
    refused = {field: f"Enter a whole number from {least} to {most}."}

    assert clean(KINDS["backend"], "a", BACKEND | {field: least})[field] == least
    assert clean(KINDS["backend"], "a", BACKEND | {field: str(most)})[field] == most
    assert problems("backend", "a", BACKEND | {field: least - 1}) == refused
    assert problems("backend", "a", BACKEND | {field: most + 1}) == refused


@pytest.mark.parametrize(
    "value", [True, 1.0, "1.0", "٣", " 1", "+1", "0x1", "9" * 5000, [], {}, "1e3", "\0"]
)
def test_what_is_no_whole_number_is_refused(value):
    assert problems("backend", "a", BACKEND | {"port": value}) == {
        "port": "Enter a whole number from 0 to 65535."
    }


@pytest.mark.parametrize("value", [2, "yes", "\0", [], 0.5])
def test_what_is_neither_true_nor_false_is_refused(value):
    assert problems("backend", "a", BACKEND | {"use_ssl": value}) == {
        "use_ssl": "Enter true or false."
    }


@pytest.mark.parametrize("field", ["port", "use_ssl"])
def test_a_number_that_must_be_there_cannot_be_emptied(field):
    assert problems("backend", "a", BACKEND | {field: ""}) == {field: NEEDED}


@pytest.mark.parametrize(
    "field",
    [
        "address",
        "override_host",
        "ssl_cert_hostname",
        "ssl_sni_hostname",
        "ssl_hostname",
    ],
)
def test_a_host_of_a_backend_is_a_name_or_an_address(field):
    good = BACKEND | {field: "2001:db8::1"}
    bad = BACKEND | {field: "not a host"}

    assert clean(KINDS["backend"], "a", good)[field] == "2001:db8::1"
    assert list(problems("backend", "a", bad)) == [field]


@pytest.mark.parametrize("typed", ["2001:db8::1", "[2001:db8::1]", "192.0.2.7"])
def test_an_override_host_is_an_address_also_in_brackets(typed):
    cleaned = clean(KINDS["backend"], "a", BACKEND | {"override_host": typed})

    assert cleaned["override_host"] == typed
    assert certificate_name("b.example.com", typed) == typed.strip("[]")


@pytest.mark.parametrize(
    "typed", ["[192.0.2.7]", "[b.example.com]", "[2001:db8::1", "[]"]
)
def test_brackets_are_only_around_an_ipv6_address(typed):
    bad = BACKEND | {"override_host": typed}

    assert list(problems("backend", "a", bad)) == ["override_host"]


@pytest.mark.parametrize("field", ["min_tls_version", "max_tls_version"])
def test_a_tls_version_is_one_that_there_is(field):
    assert clean(KINDS["backend"], "a", BACKEND | {field: "1.2"})[field] == "1.2"
    assert problems("backend", "a", BACKEND | {field: "2"}) == {
        field: "Choose 1.0, 1.1, 1.2 or 1.3."
    }


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        (
            "comment",
            "x" * 501,
            "Enter at most 500 characters.",
        ),
        ("comment", "a\0b", "Remove control characters and invalid Unicode."),
        ("comment", "a\x1bb", "Remove control characters and invalid Unicode."),
        ("comment", "\udc80", "Remove control characters and invalid Unicode."),
        ("shield", "fra\nams", "Must be a single line."),
        ("shield", 7, "Enter text."),
        ("ssl_ca_cert", "x" * 1_000_001, "Enter at most 1,000,000 characters."),
    ],
)
def test_a_text_that_cannot_be_kept_is_refused(field, value, problem):
    assert problems("backend", "a", BACKEND | {field: value}) == {field: problem}


def test_a_comment_and_a_certificate_may_have_lines():
    values = clean(
        KINDS["backend"],
        "a",
        BACKEND | {"comment": "a\r\nb", "ssl_ca_cert": "a\n\tb\n"},
    )

    assert (values["comment"], values["ssl_ca_cert"]) == ("a\r\nb", "a\n\tb\n")


@pytest.mark.parametrize("name", ["origin 1", "test/condition", "Ärger", "x" * 255])
def test_a_name_is_taken(name):
    assert clean(KINDS["backend"], name, BACKEND) == BACKEND


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("", NEEDED),
        ("  ", NEEDED),
        (" a", "Remove spaces around the name and control characters."),
        ("a\n", "Remove spaces around the name and control characters."),
        ("a\0b", "Remove spaces around the name and control characters."),
        (
            "\ud800",
            "Remove spaces around the name and control characters.",
        ),
        ("x" * 256, "A name has at most 255 characters."),
        ("..", "No part of a name between slashes is “.” or “..”."),
        ("a/./b", "No part of a name between slashes is “.” or “..”."),
    ],
)
def test_a_bad_name_is_refused(name, problem):
    assert problems("backend", name, BACKEND) == {"name": problem}


@pytest.mark.parametrize("name", ["", " "])
def test_a_domain_needs_a_name(name):
    assert problems("domain", name, {}) == {"name": NEEDED}


@pytest.mark.parametrize(
    ("kind", "name", "problem"),
    [
        ("dictionary", "a/info", "Use a name without “/info”."),
        ("director", "a/backend/b", "Use a name without “/backend/”."),
    ],
)
def test_a_name_whose_path_is_another_operation_is_refused(kind, name, problem):
    assert problems(kind, name, {}) == {"name": problem}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
    ),
    max_leaves=5,
)
FIELDS = sorted({field for kind in KINDS.values() for field in kind.by_name})


@given(
    st.sampled_from(list(KINDS.values())),
    st.text(),
    st.dictionaries(st.sampled_from(FIELDS), JSON),
)
def test_no_input_upsets_the_rules(kind, name, fields):
    refused = ""
    values = None
    try:
        values = clean(kind, name, kind.couple(fields))
    except InvalidFields as refusal:
        refused = refusal.message

    assert bool(refused) is (values is None)
