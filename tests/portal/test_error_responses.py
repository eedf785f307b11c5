"""Error responses of the API, and which client gets JSON."""

import pytest
from django.test import Client

from accounts.audit.models import AuditEvent
from accounts.models import User
from products.services.models import Service
from tests.factories.keys import FORM, client_of

RECORD_NOT_FOUND = {"msg": "Record not found"}


def test_malformed_json_is_a_400_that_changes_nothing(eve):
    response = client_of(eve).post(
        "/api/service", b'{"name": ', content_type="application/json"
    )

    assert response.status_code == 400
    assert response.json() == {
        "msg": "Bad request",
        "detail": "The body is not valid JSON.",
    }
    assert not Service.objects.exists()
    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize("key", [None, "", "unknown"])
def test_without_a_valid_token_the_response_is_401(db, key):
    headers = {} if key is None else {"Fastly-Key": key}

    response = Client(headers=headers).get("/api/current_user")

    assert response.status_code == 401
    assert response.json() == {"msg": "Provided credentials are missing or invalid"}
    assert response.headers["WWW-Authenticate"] == "Fastly-Key"


@pytest.mark.parametrize("method", ["PATCH", "TRACE", "OPTIONS", "PURGE"])
def test_a_method_that_a_path_does_not_support_is_405(eve, method):
    response = client_of(eve).generic(method, "/api/service")

    assert response.status_code == 405
    assert response.json() == {
        "msg": "Method not allowed",
        "detail": f'Method "{method}" not allowed.',
    }


def test_a_client_without_api_in_its_base_url_gets_the_base_url(eve):
    response = client_of(eve).get("/service")

    assert (response.status_code, response.json()) == (
        404,
        RECORD_NOT_FOUND | {"detail": "The API's base URL is http://testserver/api."},
    )
    assert response.headers["Content-Type"] == "application/json"


def test_an_unknown_path_under_api_is_json_without_a_token(db):
    response = Client().get("/api/v1/nothing")

    assert (response.status_code, response.json()) == (404, RECORD_NOT_FOUND)


def test_an_unknown_path_is_a_page_for_a_person(db):
    response = Client().get("/no/such/path")

    assert response.status_code == 404
    assert response.headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize("path", ["/api/service/%00", "/api/service/search?name=%00"])
def test_a_null_byte_in_the_url_is_a_400(eve, path):
    response = client_of(eve).get(path)

    assert (response.status_code, response.json()) == (400, {"msg": "Bad request"})


def test_an_unexpected_error_is_json_for_a_program(eve, monkeypatch):
    monkeypatch.setattr("accounts.api.users.fastly_json.user", lambda row: 1 / 0)

    response = client_of(eve).get("/api/current_user")

    assert (response.status_code, response.json()) == (
        500,
        {"msg": "Internal server error"},
    )


def test_a_body_above_the_limit_is_a_413(eve, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10

    response = client_of(eve).post(
        "/api/service", "name=longer-than-that", content_type=FORM
    )

    assert response.status_code == 413
    assert response.json() == {"msg": "Request entity too large"}
    assert not Service.objects.exists()


def test_a_browser_session_does_not_authenticate_the_api(eve):
    browser = Client()
    browser.force_login(User.objects.get(pk=eve.user_id))

    response = browser.get("/api/tokens/self")

    assert response.status_code == 401


def test_all_invalid_fields_are_named_in_one_response(eve, shop):
    api = client_of(eve)
    number = api.post(f"/api/service/{shop.pk}/version", "", content_type=FORM).json()[
        "number"
    ]

    response = api.post(
        f"/api/service/{shop.pk}/version/{number}/backend",
        "name=o&port=70000&use_ssl=x",
        content_type=FORM,
    )

    assert response.status_code == 400
    assert response.json()["msg"] == "Bad request"
    assert sorted(response.json()["errors"]) == [
        "address: This field is required.",
        "port: Enter a whole number from 0 to 65535.",
        "use_ssl: Enter true or false.",
    ]
