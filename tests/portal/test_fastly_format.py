"""Bodies in Fastly's format: how requests are read and responses are written."""

import gc
import time

import pytest
from rest_framework.exceptions import ParseError

from portal.body_limits import MAX_BYTES
from portal.fastly_format import (
    MAX_JSON_SEPARATORS,
    BodyParser,
    form_fields,
    json_fields,
)
from products.services.models import Service
from tests.factories.keys import FORM, client_of


def test_a_form_gives_text_lists_and_objects():
    fields = form_fields(b"name=c%26d&services%5B%5D=S1&services[]=S2&response[a]=b")

    assert fields == {
        "name": "c&d",
        "services": ["S1", "S2"],
        "response": {"a": "b"},
    }


@pytest.mark.parametrize(
    ("form", "name"),
    [
        (b"name=a&type=vcl&name=a", "name"),
        (b"a=1&a[]=2", "a[]"),
        (b"a[]=1&a=2", "a"),
        (b"a[]=1&a[b]=2", "a[b]"),
        (b"a[b]=1&a[b]=2", "a[b]"),
        (b"x" * 200 + b"=1&" + b"x" * 200 + b"=2", "x" * 100),
    ],
)
def test_a_form_that_names_a_field_twice_is_refused(form, name):
    with pytest.raises(ParseError) as refusal:
        form_fields(form)

    assert str(refusal.value) == f"The body has the field {name} twice."


def test_a_json_object_is_read_under_any_media_type(rf):
    request = rf.post("/", b'{"a": [1, null]}', content_type="application/vnd.api+json")

    parsed = BodyParser().parse(request, "application/vnd.api+json; ext=bulk")

    assert parsed == {"a": [1, None]}


@pytest.mark.parametrize(("coding", "status"), [("gzip", 415), ("identity", 200)])
def test_a_coded_body_is_refused_and_not_read_as_if_it_were_not(eve, coding, status):
    answer = client_of(eve).post(
        "/api/service", "name=shop", FORM, headers={"Content-Encoding": coding}
    )

    assert answer.status_code == status
    said = answer.json().get("detail", "")
    assert said == ("" if status == 200 else "Send the body without Content-Encoding.")
    assert Service.objects.count() == (status == 200)


def test_json_that_is_sent_as_a_form_is_refused_with_the_media_type_to_use(eve):
    answer = client_of(eve).post("/api/service", ' {"name": "shop"}', FORM)

    assert answer.status_code == 400
    assert answer.json()["detail"].endswith("Send Content-Type: application/json.")


def test_a_form_in_parts_is_refused(rf):
    request = rf.post("/", {"name": "a"})

    with pytest.raises(ParseError) as refusal:
        BodyParser().parse(request, request.content_type)

    assert str(refusal.value) == (
        "Send a form as application/x-www-form-urlencoded, or JSON."
    )


@pytest.mark.parametrize("media_type", [FORM, "application/json", "", "text/plain"])
def test_an_empty_body_has_no_fields_under_any_media_type(rf, media_type):
    request = rf.put("/", b" \n", content_type=media_type)

    assert BodyParser().parse(request, media_type) == {}


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"{", "The body is not valid JSON."),
        (b"[]", "The body is not a JSON object."),
        (b'"text"', "The body is not a JSON object."),
        (b'{"a": NaN}', "The body is not valid JSON."),
        (b'{"a": {"b": 1, "c": 2, "b": 1}}', "The body has the field b twice."),
        (b'{"a": "\xff"}', "The body is not valid JSON."),
        (b"[" * 40_000, "The body is nested deeper than 32 levels."),
        (
            b'{"a": ["\\u0000"]}',
            "The body contains a null byte or an invalid character.",
        ),
        (
            b'{"a": {"\\ud83d": 1}}',
            "The body contains a null byte or an invalid character.",
        ),
    ],
)
def test_invalid_json_is_refused(raw, message):
    with pytest.raises(ParseError) as refusal:
        json_fields(raw)

    assert str(refusal.value.detail) == message


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"name=\xff", "The form is not UTF-8."),
        (b"name=%ff%fe", "The form is not UTF-8."),
        (b"a[%ff]=b", "The form is not UTF-8."),
        (b"name=%00", "The body contains a null byte or an invalid character."),
    ],
)
def test_an_invalid_form_is_refused(raw, message):
    with pytest.raises(ParseError) as refusal:
        form_fields(raw)

    assert str(refusal.value.detail) == message


def test_a_form_of_too_many_fields_is_refused():
    with pytest.raises(ParseError, match="too many fields"):
        form_fields("&".join(f"k{number}=1" for number in range(1001)).encode())


@pytest.mark.parametrize(
    "accept", ["text/html", "application/vnd.api+json", "x", "*/*"]
)
def test_no_accept_header_is_refused(eve, accept):
    response = client_of(eve).get("/api/tokens", headers={"Accept": accept})

    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json"


def test_times_are_whole_seconds_in_utc_and_responses_are_not_cached(eve):
    response = client_of(eve).get("/api/tokens/self")

    assert response.headers["Cache-Control"] == "no-store"
    assert response.json()["created_at"] == "2026-11-22T12:00:00Z"


def nested(levels):
    return b'{"a":' * (levels - 1) + b"{}" + b"}" * (levels - 1)


def test_json_may_be_nested_32_levels_deep():
    assert json_fields(nested(32))

    with pytest.raises(ParseError) as refusal:
        json_fields(nested(33))

    assert refusal.value.detail == "The body is nested deeper than 32 levels."


def test_json_of_very_many_values_is_refused_before_it_is_read():
    with pytest.raises(ParseError) as refusal:
        json_fields(b'{"a":[' + b"[]," * 50_000 + b"0]}")

    assert refusal.value.detail == "The body has too many values."


def widest(value):
    """Return JSON of 1 MiB with as many such values as are allowed, and a long text."""
    values = ",".join([value] * (MAX_JSON_SEPARATORS // (1 + value.count("[")) - 9))
    text = "\u00e9" * ((MAX_BYTES - len(values)) // 2 - 20)
    return f'{{"a":[{values}],"text":"{text}"}}'.encode()


@pytest.mark.parametrize(
    "raw",
    [
        widest("[]"),
        widest("[" * 30 + "]" * 30),
        widest("1.2345678901e19"),
        widest('"abcdef"'),
        b'{"username":' + b"[" * 31 + b'"",' * 40_000 + b'""' + b"]" * 31 + b"}",
        b'{"a":"' + b"\\\\" * (MAX_BYTES // 2 - 9) + b'"}',
        b'{"a":"' + b"\\ud83d\\ude00" * (MAX_BYTES // 12 - 9) + b'"}',
    ],
    ids=["lists", "nested", "numbers", "texts", "deep texts", "escapes", "pairs"],
)
def test_the_worst_json_takes_little_time(raw):
    gc.freeze()  # as the web server does; the collector then passes over the portal itself
    began = time.process_time()
    json_fields(raw)
    seconds = time.process_time() - began
    gc.unfreeze()

    # 10 to 30 ms on an idle core; the limit allows for a busy machine.
    assert seconds < 0.2
