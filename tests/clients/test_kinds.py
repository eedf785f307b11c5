"""Each kind of part against Fastly's Python client: its fields, and what its decoder accepts."""

import importlib
import json
import pkgutil
import warnings
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from products.services.kinds import KINDS, Field, Kind
from products.services.kinds.fields import Type
from products.services.validation import InvalidFields, clean
from tests.factories.rolled_back import rolled_back
from tests.factories.shared_world import shared_world, world
from tests.factories.world import World

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import fastly
    import fastly.api
    from fastly.model_utils import ModelSimple, validate_and_convert_types

__all__ = ["shared_world", "world"]

KIND = pytest.mark.parametrize("segment", list(KINDS))
VERSION = "/service/{service_id}/version/{version_id}/"
JSON = {
    Type.TEXT: str,
    Type.NUMBER: int,
    Type.FLAG: bool,
    Type.LIST: list,
    Type.OBJECT: dict,
}
JSON_TYPE = "application/json"
# The client's ways to say null or "nothing chosen".
NOTHING = {None, "null", ""}
# Fields of every part, which are not declared.
COMMON = {
    "id",
    "name",
    "service_id",
    "service_id2",
    "version",
    "created_at",
    "updated_at",
    "deleted_at",
}
# What differs on purpose, by reason: a kind, and its fields with what differs.
GO = "Terraform or the command line sends it, and the Python client does not know it"
WIDER = "Fastly's other clients also use these values"
DOCUMENTED = "Fastly's documentation lists the values, and the Python client takes any"
DOTTED = "on the wire there is a dot where the Python client has an underscore"
NOT_OFFERED = "Tollgate does not offer it"
DIFFERING = {
    "backend error_threshold: unknown to the client": GO,
    "backend locked: not declared": NOT_OFFERED,
    "backend max_tls_version: choices 1.0, 1.1, 1.2, 1.3": DOCUMENTED,
    "backend min_tls_version: choices 1.0, 1.1, 1.2, 1.3": DOCUMENTED,
    "header type: choices fetch": WIDER,
    "logging/https add_batch_size_header: unknown to the client": GO,
    "logging/https compression_codec: unknown to the client": GO,
    "logging/https gzip_level: unknown to the client": GO,
    "logging/syslog public_key: unknown to the client": GO,
    "logging/datadog region: choices EU": WIDER,
    "logging/digitalocean redundancy: unknown to the client": GO,
    "logging/grafanacloudlogs message_type: unknown to the client": GO,
    "logging/kinesis log_processing_region: unknown to the client": GO,
    "logging/kinesis response_condition: unknown to the client": GO,
    "logging/logentries hostname: unknown to the client": GO,
    "logging/logentries public_key: unknown to the client": GO,
    "logging/logentries region: choices ap, us": WIDER,
    "logging/loggly public_key: unknown to the client": GO,
    "logging/newrelic region: choices EU, US": WIDER,
    "logging/papertrail public_key: unknown to the client": GO,
    "logging/s3 acl: choices authenticated-read, aws-exec-read, bucket-owner-full-control, "
    "bucket-owner-read, private, public-read, public-read-write": DOCUMENTED,
    "logging/s3 redundancy: choices deep_archive, glacier, glacier_ir, intelligent_tiering, "
    "onezone_ia, reduced_redundancy, standard, standard_ia": DOCUMENTED,
    "logging/s3 server_side_encryption: choices AES256, aws:kms": DOCUMENTED,
    "logging/sumologic address: unknown to the client": GO,
    "rate-limiters feature_update_available: unknown to the client": GO,
    "director type: choices 2": WIDER,
    "resource resource_type: choices object-store": WIDER,
    "settings general.default_host: unknown to the client": DOTTED,
    "settings general.default_pci: unknown to the client": GO,
    "settings general.default_ttl: unknown to the client": DOTTED,
    "settings general.stale_if_error: unknown to the client": DOTTED,
    "settings general.stale_if_error_ttl: unknown to the client": DOTTED,
    "settings general_default_host: not declared": DOTTED,
    "settings general_default_ttl: not declared": DOTTED,
    "settings general_stale_if_error: not declared": DOTTED,
    "settings general_stale_if_error_ttl: not declared": DOTTED,
    "http3 feature_update_available: unknown to the client": GO,
}
# A valid value of each required text.
REQUIRED = {
    "address": "origin.example.com",
    "content": 'set req.http.A = {"b"};',
    "dst": "http.X-A",
    "statement": 'req.url ~ "a"',
    "url": "https://log.example.com/",
}
# The client wants whole backends where Fastly answers with names.
NOT_READ = {("director", "backends")}
NAMES = {"domain": "www.example.org", "acl": "one"}


@cache
def answers() -> dict[tuple[str, str], Any]:
    """Return what each of the client's operations answers, by method and path."""
    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        client = fastly.ApiClient()
        for module in pkgutil.iter_modules(fastly.api.__path__):
            loaded = importlib.import_module(f"fastly.api.{module.name}")
            for name, kind in vars(loaded).items():
                if isinstance(kind, type) and name.endswith("Api"):
                    for each in vars(kind(client)).values():
                        if isinstance(each, fastly.api_client.Endpoint):
                            of = each.settings
                            key = (of["http_method"], of["endpoint_path"])
                            found[key] = of["response_type"]
    return found


def answer_of(kind: Kind) -> Any:
    """Return the client's type of one part."""
    path = VERSION + kind.segment
    if kind.single:
        return answers()["GET", path]
    named = (
        answer
        for (method, other), answer in answers().items()
        if method == "GET" and other.rpartition("/")[0] == path and other.endswith("}")
    )
    return next(named, None) or answers()["POST", path]


def type_of(types: tuple[object, ...]) -> tuple[object, set[object]]:
    """Return the JSON type of a field, and its values if they are enumerated; None is null."""
    first = types[0]
    null: set[object] = {None} if type(None) in types else set()
    if isinstance(first, type) and issubclass(first, ModelSimple):
        values = set(first.allowed_values.get(("value",), {}).values())
        return first.openapi_types["value"][0], values | null
    return (type(first) if isinstance(first, list | dict) else first), null


def chosen(values: Iterable[object]) -> set[str]:
    return {str(each) for each in values if each not in NOTHING}


def differences(kind: Kind) -> Iterator[str]:
    """Say where the declaration of a kind differs from the client's model."""
    model = answer_of(kind)[0]
    types = model.openapi_types
    for name in kind.by_name.keys() - types.keys():
        yield f"{name}: unknown to the client"
    for name in types.keys() - kind.by_name.keys() - COMMON:
        yield f"{name}: not declared"
    for name in kind.by_name.keys() & types.keys():
        field = kind.by_name[name]
        for problem in differences_of_field(field, types[name], model):
            yield f"{name}: {problem}"


def enumerated(model: Any, field: Field) -> set[object]:
    return set(model.allowed_values.get((field.name,), {}).values())


def differences_of_field(
    field: Field, types: tuple[object, ...], model: Any
) -> Iterator[str]:
    json_type, values = type_of(types)
    values |= enumerated(model, field)
    bounds = model.validations.get((field.name,), {})
    if json_type is not (str if field.as_text else JSON[field.type]):
        yield f"type {json_type}"
    if field.nullable is not (None in values):
        yield "null"
    differing = chosen(values) ^ chosen(field.choices)
    if field.type is not Type.FLAG and differing:
        yield f"choices {', '.join(sorted(differing))}"
    if field.minimum != bounds.get("inclusive_minimum", field.minimum):
        yield "minimum"
    if field.maximum != bounds.get("inclusive_maximum", field.maximum):
        yield "maximum"


@KIND
def test_a_kind_has_the_fields_types_choices_and_bounds_of_the_client(segment):
    found = {f"{segment} {each}" for each in differences(KINDS[segment])}

    known = {each for each in DIFFERING if each.startswith(f"{segment} ")}
    assert sorted(found) == sorted(known)


def value_of(field: Field, model: Any) -> st.SearchStrategy[object]:
    """Return valid values of a field that the client knows too, in their JSON type."""
    if field.choices:
        known = {str(each) for each in enumerated(model, field)}
        both = [each for each in field.choices if not known or str(each) in known]
        return st.sampled_from(both)
    if field.name in REQUIRED:
        return st.just(REQUIRED[field.name])
    return {
        Type.TEXT: st.text(st.characters(codec="ascii", categories=["L", "N"])),
        Type.NUMBER: st.integers(field.minimum, field.maximum),
        Type.FLAG: st.booleans(),
        Type.LIST: st.lists(st.sampled_from(["a", "b"]), min_size=1, max_size=2),
        Type.OBJECT: st.just({}),
    }[field.type]


def without_problems(
    kind: Kind, name: str, sent: dict[str, object]
) -> dict[str, object]:
    """Return what is sent without the fields that rules between fields refuse."""
    try:
        clean(kind, name, kind.couple(sent))
    except InvalidFields as invalid:
        kept = {key: sent[key] for key in sent if key not in invalid.problems}
        assume(kept != sent)  # a field is missing
        return without_problems(kind, name, kept)
    return sent


def decoded(answer: HttpResponse, wanted: object) -> None:
    """Let the client's decoder read an answer, as it does for a user; fail if it refuses."""
    assert answer.status_code == 200, answer.content
    validate_and_convert_types(
        answer.json(), wanted, ["received_data"], True, True, fastly.Configuration()
    )


@KIND
@settings(
    max_examples=3,
    derandomize=True,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(data=st.data())
def test_the_client_reads_what_a_kind_can_hold(segment: str, data, world: World):
    kind = KINDS[segment]
    model = answer_of(kind)[0]
    fields = {
        each.name: value_of(each, model)
        for each in kind.settable
        if (segment, each.name) not in NOT_READ
    }
    needed = {
        each.name: fields.pop(each.name) for each in kind.settable if each.required
    }
    name = NAMES.get(segment, "one")
    sent = data.draw(st.fixed_dictionaries(needed, optional=fields))
    sent = without_problems(kind, name, sent)
    path = VERSION + segment
    method = next(
        each for each in ("POST", "PUT", "PATCH") if (each, path) in answers()
    )
    sam, una = (
        Client(headers={"Fastly-Key": world.keys[who]}) for who in ("superuser", "user")
    )
    with rolled_back():
        made = sam.post(
            "/api/service", {"name": "new", "type": "vcl"}, JSON_TYPE
        ).json()
        url = f"/api/service/{made['id']}/version/1/{segment}"
        named = {"name": name} if kind.has_name else {}
        body = named | sent
        created = sam.generic(method, url, json.dumps(body), JSON_TYPE)
        decoded(created, answers()[method, path])
        for reader in (sam, una):  # who may not see its secrets
            decoded(reader.get(url), answers()["GET", path])
