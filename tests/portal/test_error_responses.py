"""Error responses of the API, and which client gets JSON."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.test import Client

from accounts.audit.models import AuditEvent
from accounts.errors import RefusalError
from accounts.models import ApiToken, Membership, User
from portal.error_responses import FORMS, error_of
from portal.wsgi import application
from products.services.models import Service
from tests.factories import NOW
from tests.factories.keys import FORM, client_of
from tests.factories.services import ServiceFactory

RECORD_NOT_FOUND = {"msg": "Record not found"}
PROBLEM = {"Accept": "application/problem+json"}


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


@pytest.mark.parametrize(
    ("key", "detail"),
    [
        (None, "Send an API token in the header Fastly-Key."),
        ("", "Send an API token in the header Fastly-Key."),
        ("unknown", "There is no such API token. Check that it is complete."),
    ],
)
def test_without_a_valid_token_the_response_is_401(db, key, detail):
    headers = {} if key is None else {"Fastly-Key": key}

    response = Client(headers=headers).get("/api/current_user")

    assert response.status_code == 401
    assert response.json() == {
        "msg": "Provided credentials are missing or invalid",
        "detail": detail,
    }
    assert response.headers["WWW-Authenticate"] == "Fastly-Key"


@pytest.mark.parametrize(
    ("values", "detail"),
    [
        ({"revoked_at": NOW}, "This API token was revoked. Create another."),
        (
            {"expires_at": NOW - timedelta(days=1)},
            "This API token expired on 21 November 2026, 12:00 UTC. Create another.",
        ),
    ],
)
def test_an_inactive_token_is_refused_with_the_reason(eve, values, detail):
    api = client_of(eve)
    ApiToken.objects.update(**values)

    response = api.get("/api/current_user")

    assert (response.status_code, response.json()["detail"]) == (401, detail)


def test_a_token_of_a_former_member_is_refused_with_the_reason(eve):
    api = client_of(eve)
    Membership.objects.filter(user_id=eve.user_id).delete()

    response = api.get("/api/current_user")

    assert response.status_code == 401
    assert response.json()["detail"].startswith("The owner of this API token")


@pytest.mark.parametrize("method", ["PATCH", "TRACE", "OPTIONS", "PURGE"])
def test_a_method_that_a_path_does_not_support_is_405(eve, method):
    response = client_of(eve).generic(method, "/api/service")

    assert response.status_code == 405
    assert response.json() == {
        "msg": "Method not allowed",
        "detail": "Use GET or POST.",
    }
    assert response.headers["Allow"] == "GET, POST, HEAD"


@pytest.mark.parametrize("path", ["/api/service", "/api/nothing", "/api/v1/trail"])
def test_no_response_of_the_api_varies_by_cookie(eve, path):
    assert client_of(eve).get(path)["Vary"] == "Accept-Encoding"


def test_a_client_without_api_in_its_base_url_gets_the_base_url(eve):
    response = client_of(eve).get("/service")

    assert (response.status_code, response.json()) == (
        404,
        RECORD_NOT_FOUND | {"detail": "The API's base URL is http://testserver/api."},
    )
    assert response.headers["Content-Type"] == "application/json"


def test_an_unknown_path_under_api_is_json_without_a_token(db):
    response = Client().get("/api/nothing")

    assert (response.status_code, response.content) == (
        404,
        b'{"msg":"Record not found","detail":"There is no such path."}',
    )
    assert response.headers["Content-Type"] == "application/json"


def test_an_unknown_path_is_a_page_for_a_person(db):
    response = Client().get("/no/such/path")

    assert response.status_code == 404
    assert response.headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize(
    ("path", "detail"),
    [
        ("/api/service/%00", "The URL contains a null byte."),
        ("/api/service/search?name=%00", "The URL contains a null byte."),
        ("/api/service/search?name=%ff%fe", "The query is not UTF-8."),
        ("/api/service?" + "a=b&" * 1100, "The request has too many fields."),
    ],
)
def test_a_null_byte_or_invalid_utf_8_in_the_url_is_a_400(eve, path, detail):
    response = client_of(eve).get(path)

    assert response.status_code == 400
    assert response.json() == {"msg": "Bad request", "detail": detail}


@pytest.mark.parametrize(
    ("path", "status"),
    [("/api/x\xff", 400), ("/api/x%FF", 404), ("/api/\xc3\xa9", 404)],
)
def test_a_path_that_is_not_utf_8_is_a_400(rf, db, path, status):
    found = []

    application(
        rf.get("/").environ | {"PATH_INFO": path}, lambda *sent: found.append(sent[0])
    )

    assert found[0].startswith(str(status))


def test_another_host_name_is_a_400_with_the_reason(eve, settings):
    settings.ALLOWED_HOSTS = ["portal.example.com"]

    response = client_of(eve).get("/api/service")

    assert response.status_code == 400
    assert response.json()["detail"] == "This is not the portal's host name."


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
    body = response.json()
    assert (body.keys(), body["msg"]) == ({"msg", "detail"}, "Bad request")
    assert "address: This field is required." in body["detail"]
    assert "port: Enter a whole number from 0 to 65535." in body["detail"]
    assert "use_ssl: Enter true or false." in body["detail"]


def test_a_problem_has_the_invalid_fields_as_data(eve):
    response = client_of(eve).post(
        "/api/service", "type=cobol", content_type=FORM, headers=PROBLEM
    )

    body = response.json()
    assert response.headers["Content-Type"] == "application/problem+json"
    assert (response.status_code, body["status"], body["code"]) == (400, 400, "invalid")
    assert [each["field"] for each in body["fields"]] == ["name", "type"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/nothing", 404),
        ("/api/v1/nothing", 404),
        ("/api/service/%00", 400),
        ("/api/service/S", 404),
        ("/api/events", 403),
        ("/api/enabled-products/v1/websockets/services/S", 404),
    ],
)
def test_accept_asks_for_a_problem_everywhere(eve, path, status):
    response = client_of(eve).get(path, headers=PROBLEM)

    assert response.headers["Content-Type"] == "application/problem+json"
    assert (response.status_code, response.json()["status"]) == (status, status)


def test_json_api_paths_refuse_in_their_format_except_unknown_objects(eve, shop, una):
    api = client_of(eve)

    refused = api.get("/api/events")
    unknown = api.get("/api/service-authorizations/A")

    assert refused.headers["Content-Type"] == "application/vnd.api+json"
    (error,) = refused.json()["errors"]
    assert (refused.status_code, error["status"], error["code"]) == (
        403,
        "403",
        "forbidden",
    )
    assert error["title"] == "You are not authorized to perform this action"
    assert unknown.headers["Content-Type"] == "application/json"
    assert unknown.json().keys() == {"msg", "detail"}


def every_refusal(kind=RefusalError):
    for each in kind.__subclasses__():
        yield each
        yield from every_refusal(each)


@pytest.mark.parametrize("form", ["classic", "products"])
def test_no_refusal_has_a_list_of_errors_that_would_hide_its_reasons(form):
    sentences = [f"{kind.code} happened. Do something." for kind in every_refusal()]
    refusals = [RefusalError("General.", details=[each]) for each in sentences]

    bodies = [FORMS[form][0](error_of(each)) for each in refusals]

    assert len(bodies) > 30
    assert {str(body.get("errors")) for body in bodies} == {"None"}
    assert [body["detail"] for body in bodies] == [
        f"General. {each}" for each in sentences
    ]


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_a_database_that_does_not_answer_is_a_503_for_a_program(
    eve, monkeypatch, error
):
    def fail(row):
        raise error("canceling statement due to statement timeout")

    monkeypatch.setattr("accounts.api.users.fastly_json.user", fail)
    client = client_of(eve)
    client.raise_request_exception = False

    response = client.get("/api/current_user")

    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert response.json()["msg"] == "Service unavailable"


def test_a_database_that_does_not_answer_is_a_503_for_a_person(db, monkeypatch):
    def fail(*args, **kwargs):
        raise OperationalError("database is locked")

    monkeypatch.setattr("django.contrib.sessions.backends.db.SessionStore.load", fail)
    browser = Client(raise_request_exception=False)
    browser.cookies["tollgate_session"] = "x" * 32

    response = browser.get("/products/")

    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert b"Try again in 5 seconds." in response.content


@pytest.mark.parametrize(("who", "may_read"), [("sam", True), ("eve", False)])
def test_an_unexpected_error_shows_its_request_and_the_next_step(
    request, monkeypatch, who, may_read
):
    user = User.objects.get(pk=request.getfixturevalue(who).user_id)
    monkeypatch.setattr("products.web.services.versions_of", lambda row: 1 / 0)
    service = ServiceFactory.create(account=user.memberships.get().account)
    client = Client(raise_request_exception=False)
    client.force_login(user, settings.AUTHENTICATION_BACKENDS[0])

    response = client.get(f"/services/{service.pk}/")

    page = response.content.decode()
    assert response.status_code == 500
    assert response["X-Request-ID"] in page
    assert "UTC</time>" in page
    assert ('href="/activity/"' in page) is may_read


def test_the_page_of_a_limit_says_when_to_try_again(db, settings):
    settings.ACCOUNT_RATE_LIMITS = {"reset_password": "1/m/ip"}
    client = Client()
    client.post("/accounts/password/reset/", {"email": "a@example.com"})

    response = client.post("/accounts/password/reset/", {"email": "a@example.com"})

    assert (response.status_code, response["Retry-After"]) == (429, "60")
    assert "Try again in 60 seconds." in response.content.decode()
