"""What Fastly's Python client can send has an effect, is refused, or is listed with a reason."""

import json
import re
from functools import cache
from urllib.parse import urlencode

import pytest
from django.test import Client

from portal.openapi.document import document_text
from tests.access.bodies import prove
from tests.access.routes import samples
from tests.clients.test_operations import client_endpoints
from tests.factories.keys import FORM
from tests.factories.shared_world import shared_world, world

__all__ = ["shared_world", "world"]

PARAMETER = re.compile(r"{\w+}")
PATH_SAYS_SO = "the path names it"
ALWAYS_SET = "every row has its times"
ADDRESS_DECIDES = "`msg` says that the address decides it"
NO_EFFECT = {
    "created_at": ALWAYS_SET,
    "deleted_at": ALWAYS_SET,
    "updated_at": ALWAYS_SET,
    "service_id": PATH_SAYS_SO,
    "version": PATH_SAYS_SO,
    "hostname": ADDRESS_DECIDES,
    "ipv4": ADDRESS_DECIDES,
    "ipv6": ADDRESS_DECIDES,
    "expiry_time": "the response says until when the re-authentication counts",
}
# A new user is locked until they accept, whatever is sent.
NO_EFFECT_OF_OPERATION = {("POST", "/user", "locked")}
NEEDED = {
    ("POST", "/user"): {"login": "n@example.com", "name": "N", "role": "engineer"},
    ("POST", "/automation-tokens"): {"name": "CI", "role": "user"},
}


def shape(path):
    """Return a path without the names of its parameters."""
    return PARAMETER.sub("{}", path)


@cache
def document():
    return json.loads(document_text())


@cache
def described_operations():
    """Return the operations of the document by method and shape of the path."""
    return {
        (method.upper(), shape(path.removeprefix("/api"))): operation
        for path, methods in document()["paths"].items()
        for method, operation in methods.items()
    }


def fields_of(schema):
    name = schema.get("$ref", "").rpartition("/")[2]
    schema = document()["components"]["schemas"][name] if name else schema
    whole = [schema, *schema.get("allOf", [])]
    own = set(schema.get("properties", {}))
    return own.union(*(fields_of(each) for each in whole[1:]))


def described_names(operation, place):
    if place == "query":
        return {each.get("name") for each in operation["parameters"]}
    bodies = operation.get("requestBody", {"content": {}})["content"].values()
    return set().union(*(fields_of(each["schema"]) for each in bodies))


def sent_names(endpoint, place):
    """Return the names that the client sends in the query, or in a form or a model of JSON."""
    where = {"query": {"query"}, "body": {"form", "body"}}[place]
    found = set()
    for name, location in endpoint.location_map.items():
        if location not in where:
            continue
        (kind, *_) = endpoint.openapi_types[name]
        if location == "body":
            read_only = getattr(kind, "read_only_vars", ())
            model = getattr(kind, "attribute_map", {})
            found |= {model[each] for each in model if each not in read_only}
        else:
            found.add(endpoint.attribute_map[name])
    return found


def undescribed(place):
    return sorted(
        (method, path, name)
        for (method, path), endpoint in client_endpoints().items()
        if (found := described_operations().get((method, shape(path))))
        for name in sent_names(endpoint, place) - described_names(found, place)
    )


def test_every_query_parameter_that_the_client_can_send_is_described():
    assert undescribed("query") == []


REFUSED = [
    each
    for each in undescribed("body")
    if each[2] not in NO_EFFECT and each not in NO_EFFECT_OF_OPERATION
]


@pytest.mark.parametrize(("method", "path", "name"), REFUSED)
def test_a_field_that_cannot_be_set_is_refused(world, method, path, name):
    prove(world, world.people["superuser"])
    known = samples(world) | {
        "id": world.limiter.public_id,
        "version_id": world.draft.number,
    }
    sent = NEEDED.get((method, path), {}) | {name: "7"}

    answer = Client(headers={"Fastly-Key": world.keys["superuser"]}).generic(
        method, f"/api{path}".format_map(known), urlencode(sent), FORM
    )

    assert answer.status_code == 400
    assert name in answer.json()["detail"]


@pytest.mark.parametrize("name", ["hostname", "ipv4"])
def test_what_an_address_decides_is_named(world, name):
    base = f"/api/service/{world.shop.pk}/version/{world.draft.number}"
    api = Client(headers={"Fastly-Key": world.keys["superuser"]})

    other = api.put(f"{base}/backend/origin", f"{name}=192.0.2.7", FORM).json()
    same = api.put(f"{base}/backend/origin", f"hostname={other['address']}", FORM)

    assert f"Not set, because they are read only: {name}." in other["msg"]
    assert "msg" not in same.json()


def test_what_a_client_has_read_can_be_sent_back(world):
    api = Client(headers={"Fastly-Key": world.keys["superuser"]})
    paths = [
        f"/api/customer/{world.acme.pk}",
        f"/api/user/{world.membership.user_id}",
        f"/api/service/{world.shop.pk}/version/{world.draft.number}",
    ]

    shown = [api.get(path).json() for path in paths]
    answers = [
        api.put(path, json.dumps(each), "application/json")
        for path, each in zip(paths, shown, strict=True)
    ]

    assert [each.status_code for each in answers] == [200, 200, 200]
