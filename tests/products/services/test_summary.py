"""What the trail may hold of a part."""

import hashlib

import pytest

from products.services.kinds import KINDS
from products.services.summary import audit_changes, audit_values
from tests.factories.services import (
    BackendFactory,
    HeaderFactory,
    LogEndpointFactory,
    SnippetFactory,
)

BACKEND = KINDS["backend"]


def test_a_part_is_summed_up_by_what_differs_from_the_defaults():
    row = BackendFactory.build(
        version=None, name="origin", address="a.example.com", use_ssl=None, weight=100
    )

    assert audit_values(row) == {
        "name": "origin",
        "address": "a.example.com",
        "port": 443,
    }


@pytest.mark.parametrize(
    "field", ["ssl_client_key", "ssl_client_cert", "client_cert", "share_key"]
)
def test_key_material_is_shown_as_set(field):
    row = BackendFactory.build(version=None, **{field: "secret"})

    assert audit_values(row)[field] == "set"
    assert audit_changes(BACKEND, {field: "old"}, {field: "new"}) == (
        {field: "set"},
        {field: "changed"},
    )


@pytest.mark.parametrize(
    "dst",
    ["http.Authorization", "Cookie", "http.X-Api-Key", "X-Auth-Token", "http.X-Secret"],
)
def test_the_value_of_a_credential_header_is_not_shown(dst):
    row = HeaderFactory.build(version=None, dst=dst, src='"Bearer abc"')

    assert audit_values(row)["src"] == "set"


def test_the_value_of_another_header_is_shown():
    row = HeaderFactory.build(version=None, dst="http.X-Tenant", src="acme")

    assert audit_values(row)["src"] == "acme"


def test_vcl_is_shown_as_a_digest():
    content = "return(upgrade);"
    row = SnippetFactory.build(version=None, content=content)

    digest = hashlib.sha256(content.encode()).hexdigest()
    assert audit_values(row)["content"] == f"16 characters, SHA-256 {digest}"


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://logs.example.com/in?key=abc", "https://logs.example.com/in?…"),
        ("https://logs.example.com/in", "https://logs.example.com/in"),
    ],
)
def test_the_query_of_a_log_endpoint_is_not_shown(address, shown):
    row = LogEndpointFactory.build(version=None, url=address)

    assert audit_values(row)["url"] == shown


def test_a_change_has_only_the_changed_fields():
    before = {"name": "a", "port": 80, "shield": None}
    after = {"name": "a", "port": 443, "shield": None}

    assert audit_changes(BACKEND, before, after) == ({"port": 80}, {"port": 443})
