"""The OpenAPI document: complete, valid, and cheap to serve."""

import json
import re
from collections import Counter

import jsonschema_rs
import pytest
import schemathesis
from django.urls import resolve
from drf_spectacular.drainage import GENERATOR_STATS

from portal.openapi.document import document_text, make_document
from portal.openapi.kinds import fields_of, shown_field
from portal.openapi.operations import TABLE, endpoints
from products.services.kinds import KINDS
from tests.access.routes import all_routes

NUMBERS = {
    "number",
    "before",
    "after",
    "second",
    "limit",
    "sequence",
    "invoice_id",
}
PARAMETER = re.compile(r"{(\w+)}")


@pytest.fixture(scope="module")
def document():
    return json.loads(document_text())


def operations(document):
    return [
        (path, method.upper(), operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def example(path):
    return PARAMETER.sub(lambda m: "1" if m[1] in NUMBERS else "x", path)


def test_every_route_and_method_is_described(document):
    described = {
        (resolve(example(path)).route, method)
        for path, method, _ in operations(document)
    }

    routes = [each for each in all_routes() if each.is_api]
    spoken = {
        (each.pattern, method)
        for each in routes
        for method in each.spoken
        if method.lower() in each.view.view_class.http_method_names
    }
    assert described == spoken


def test_the_table_has_only_operations_that_exist():
    routed = {
        (each.view_class, method) for each in endpoints() for method in each.methods
    }

    assert set(TABLE) - routed == set()


def test_the_document_is_valid_and_made_without_warnings():
    document = make_document()

    schemathesis.openapi.from_dict(document).validate()
    assert document["openapi"] == "3.1.1"
    assert not GENERATOR_STATS


def test_every_operation_has_a_name_of_its_own(document):
    names = Counter(each["operationId"] for *_, each in operations(document))

    assert [name for name, count in names.items() if count > 1] == []


def test_every_reference_leads_to_a_component(document):
    parts = document["components"]
    used = set(re.findall(r'"#/components/(\w+)/(\w+)"', json.dumps(document)))

    assert {(where, name) for where, name in used if name not in parts[where]} == set()
    schemas = {name for where, name in used if where == "schemas"}
    assert set(parts["schemas"]) - schemas == set()


def test_every_pattern_is_one_of_json_schema(document):
    """Programs read patterns as ECMAScript does, not as Python does."""
    patterns = set(re.findall(r'"pattern": "((?:[^"\\]|\\.)*)"', json.dumps(document)))

    assert patterns
    for each in patterns:
        jsonschema_rs.validator_for({"pattern": json.loads(f'"{each}"')})


def test_a_boolean_of_a_body_can_be_sent_as_fastlys_clients_send_it(document):
    body = document["paths"]["/api/user/{user_id}"]["put"]["requestBody"]["content"]
    form = body["application/x-www-form-urlencoded"]["schema"]["properties"]

    assert {"0", "1", "True", False} <= set(form["limit_services"]["enum"])


def test_null_can_be_sent_for_a_text_that_it_clears(document):
    operation = document["paths"]["/api/service/{service_id}/version/{number}"]["put"]
    body = operation["requestBody"]["content"]["application/json"]["schema"]

    assert body["properties"]["comment"]["type"] == ["string", "null"]


def test_a_query_parameter_has_its_description(document):
    (start, *_) = document["paths"]["/api/stats"]["get"]["parameters"]

    assert start["name"] == "from"
    assert start["description"].startswith("Seconds since 1970")
    assert start["schema"] == {"type": "string"}


def test_a_list_of_choices_is_described_as_a_list():
    shown = shown_field(KINDS["rate-limiters"].by_name["http_methods"])

    assert shown["type"] == "array"
    assert "GET" in shown["items"]["enum"]


@pytest.mark.parametrize(("kind", "least"), [("backend", 1), ("director", None)])
def test_a_name_that_is_ignored_may_be_any_text(kind, least):
    name = fields_of(KINDS[kind])["properties"]["name"]

    assert name.get("minLength") == least


def test_every_operation_says_who_may_ask_and_how_it_refuses(document):
    silent = [
        (path, method)
        for path, method, each in operations(document)
        if not each["security"] or "default" not in each["responses"]
    ]

    assert silent == []


def test_the_document_is_made_once_and_served_to_all(client):
    first = client.get("/api/openapi.json")

    assert first["Content-Type"] == "application/json"
    assert json.loads(first.content)["info"]["title"] == "Tollgate API"
    assert document_text() is document_text()


@pytest.mark.django_db
def test_the_reference_is_a_page_with_the_document(client):
    page = client.get("/api/docs").content.decode()

    assert 'data-api-docs="/api/openapi.json"' in page
    assert "swagger-ui-bundle.js" in page
    assert "<style" not in page
    assert "base URL <code>http://testserver/api</code>" in page
