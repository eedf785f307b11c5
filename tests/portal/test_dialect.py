"""The rules that hold for every API call: bodies, errors, headers, unknown paths."""

import pytest
from django.test import Client
from rest_framework.exceptions import ParseError

from accounts.audit.models import AuditEvent
from accounts.models import User
from portal import budget
from portal.dialect import BodyParser, form_fields, json_fields
from products.services.models import Service
from tests.factories.keys import FORM, client_of

RECORD_NOT_FOUND = {"msg": "Record not found"}


def test_a_form_gives_text_lists_and_the_last_of_repeated_values():
    fields = form_fields(b"name=a+b&services%5B%5D=S1&services[]=S2&name=c%26d")

    assert fields == {"name": "c&d", "services": ["S1", "S2"]}


def test_a_json_object_is_taken_under_any_name(rf):
    request = rf.post("/", b'{"a": [1, null]}', content_type="application/vnd.api+json")

    parsed = BodyParser().parse(request, "application/vnd.api+json; ext=bulk")

    assert parsed == {"a": [1, None]}


@pytest.mark.parametrize("media_type", [FORM, "application/json", "", "text/plain"])
def test_an_empty_body_is_no_fields_under_any_name(rf, media_type):
    request = rf.put("/", b" \n", content_type=media_type)

    assert BodyParser().parse(request, media_type) == {}


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"{", "The body is not JSON."),
        (b"[]", "The body is not a JSON object."),
        (b'"text"', "The body is not a JSON object."),
        (b'{"a": NaN}', "The body is not JSON."),
        (b'{"a": "\xff"}', "The body is not JSON."),
        (b"[" * 100_000, "The body is not JSON."),
        (b'{"a": ["\\u0000"]}', "The body holds a NUL or half a character."),
        (b'{"a": {"\\ud83d": 1}}', "The body holds a NUL or half a character."),
    ],
)
def test_json_that_cannot_be_taken_is_refused_in_words(raw, words):
    with pytest.raises(ParseError) as refusal:
        json_fields(raw)

    assert str(refusal.value.detail) == words


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"name=\xff", "The form is not UTF-8."),
        (b"name=%00", "The body holds a NUL or half a character."),
    ],
)
def test_a_form_that_cannot_be_taken_is_refused_in_words(raw, words):
    with pytest.raises(ParseError) as refusal:
        form_fields(raw)

    assert str(refusal.value.detail) == words


def test_malformed_json_is_a_400_that_changes_nothing(eve):
    answer = client_of(eve).post(
        "/service", b'{"name": ', content_type="application/json"
    )

    assert answer.status_code == 400
    assert answer.json() == {"msg": "Bad request", "detail": "The body is not JSON."}
    assert not Service.objects.exists()
    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize("key", [None, "", "unknown"])
def test_without_a_known_key_the_answer_is_401(db, key):
    headers = {} if key is None else {"Fastly-Key": key}

    answer = Client(headers=headers).get("/current_user")

    assert answer.status_code == 401
    assert answer.json() == {"msg": "Provided credentials are missing or invalid"}
    assert answer.headers["WWW-Authenticate"] == "Fastly-Key"


@pytest.mark.parametrize("method", ["PATCH", "TRACE", "OPTIONS", "PURGE"])
def test_a_method_that_a_path_does_not_know_is_405_in_the_dialect(eve, method):
    answer = client_of(eve).generic(method, "/service")

    assert answer.status_code == 405
    assert answer.json() == {
        "msg": "Method not allowed",
        "detail": f'Method "{method}" not allowed.',
    }


def test_an_unknown_path_is_json_for_a_program(eve):
    answer = client_of(eve).get("/no/such/path")

    assert (answer.status_code, answer.json()) == (404, RECORD_NOT_FOUND)
    assert answer.headers["Content-Type"] == "application/json"


def test_an_unknown_path_under_our_own_api_is_json_without_a_key(db):
    answer = Client().get("/api/v1/nothing")

    assert (answer.status_code, answer.json()) == (404, RECORD_NOT_FOUND)


def test_an_unknown_path_is_a_page_for_a_person(db):
    answer = Client().get("/no/such/path")

    assert answer.status_code == 404
    assert answer.headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize("path", ["/service/%00", "/service/search?name=%00"])
def test_an_address_with_a_nul_is_a_400(eve, path):
    answer = client_of(eve).get(path)

    assert (answer.status_code, answer.json()) == (400, {"msg": "Bad request"})


def test_a_fault_of_ours_is_json_for_a_program(eve, monkeypatch):
    monkeypatch.setattr("accounts.api.users.wire.user", lambda row: 1 / 0)

    answer = client_of(eve).get("/current_user")

    assert (answer.status_code, answer.json()) == (
        500,
        {"msg": "Internal server error"},
    )


def test_a_body_beyond_the_limit_is_a_413(eve, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10

    answer = client_of(eve).post("/service", "name=longer-than-that", content_type=FORM)

    assert answer.status_code == 413
    assert answer.json() == {"msg": "Request entity too large"}
    assert not Service.objects.exists()


@pytest.mark.parametrize(
    "accept", ["text/html", "application/vnd.api+json", "x", "*/*"]
)
def test_no_accept_header_is_refused(eve, accept):
    answer = client_of(eve).get("/tokens", headers={"Accept": accept})

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"


def test_answers_are_not_to_be_kept_and_times_are_whole_seconds_utc(eve):
    answer = client_of(eve).get("/tokens/self")

    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json()["created_at"] == "2026-11-22T12:00:00Z"


def test_a_browser_s_session_is_no_key(eve):
    browser = Client()
    browser.force_login(User.objects.get(pk=eve.user_id))

    answer = browser.get("/tokens/self")

    assert answer.status_code == 401


def test_a_read_is_not_counted(eve):
    answer = client_of(eve).get("/tokens/self")

    assert "Fastly-RateLimit-Remaining" not in answer.headers


def test_each_write_takes_one_from_the_hour_s_budget(eve, time_machine):
    time_machine.move_to("2026-11-22T12:30:00Z", tick=False)
    api = client_of(eve)

    first = api.post("/service", "name=one", content_type=FORM)
    second = api.post("/service", "", content_type=FORM)

    assert (first.status_code, second.status_code) == (200, 400)
    assert first.headers["Fastly-RateLimit-Remaining"] == "999"
    assert second.headers["Fastly-RateLimit-Remaining"] == "998"
    assert second.headers["Fastly-RateLimit-Reset"] == "1795352400"  # 13:00 UTC


def test_past_the_budget_a_write_is_429_and_does_nothing(eve, monkeypatch):
    monkeypatch.setattr(budget, "WRITES_AN_HOUR", 1)
    api = client_of(eve)
    api.post("/service", "name=one", content_type=FORM)

    answer = api.post("/service", "name=two", content_type=FORM)

    assert answer.status_code == 429
    assert answer.json() == {"msg": "Too many requests"}
    assert answer.headers["Fastly-RateLimit-Remaining"] == "0"
    assert [row.name for row in Service.objects.all()] == ["one"]


def test_the_budget_is_whole_again_in_the_next_hour(eve, monkeypatch, time_machine):
    monkeypatch.setattr(budget, "WRITES_AN_HOUR", 1)
    api = client_of(eve)
    time_machine.move_to("2026-11-22T12:59:59Z", tick=False)
    api.post("/service", "name=one", content_type=FORM)
    time_machine.move_to("2026-11-22T13:00:00Z", tick=False)

    answer = api.post("/service", "name=two", content_type=FORM)

    assert answer.status_code == 200


def test_people_do_not_share_a_budget(eve, sam, monkeypatch):
    monkeypatch.setattr(budget, "WRITES_AN_HOUR", 1)
    client_of(eve).post("/service", "name=one", content_type=FORM)

    answer = client_of(sam).post("/service", "name=two", content_type=FORM)

    assert answer.status_code == 200


def test_every_field_at_fault_is_named_at_once(eve, shop):
    api = client_of(eve)
    number = api.post(f"/service/{shop.pk}/version", "", content_type=FORM).json()[
        "number"
    ]

    answer = api.post(
        f"/service/{shop.pk}/version/{number}/backend",
        "name=o&port=70000&use_ssl=x",
        content_type=FORM,
    )

    assert answer.status_code == 400
    assert answer.json()["msg"] == "Bad request"
    assert sorted(answer.json()["errors"]) == [
        "address: This is needed.",
        "port: Write a whole number from 0 to 65535.",
        "use_ssl: Write true or false.",
    ]


def test_a_form_of_too_many_fields_is_refused_in_the_clients_tongue():
    with pytest.raises(ParseError, match="too many fields"):
        form_fields("&".join(f"k{number}=1" for number in range(1001)).encode())
