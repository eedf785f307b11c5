"""Headers of every response, and requests that the portal rejects."""

from urllib.parse import parse_qs, urlsplit

import pytest
from django.http import HttpResponsePermanentRedirect, HttpResponseRedirect
from django.test import Client

from portal.middleware import see_other
from tests.factories.accounts import UserFactory


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "host", "status"),
    [
        ("/accounts/login/", "testserver", 200),
        ("/nowhere", "testserver", 404),
        ("/api/service", "testserver", 401),
        ("/a\0b", "testserver", 400),
        ("/accounts/login/", "evil.example", 400),
        ("/static/img/icon.svg", "testserver", 200),
    ],
)
def test_every_response_has_the_security_headers(settings, path, host, status):
    settings.ALLOWED_HOSTS = ["testserver"]

    response = Client(headers={"Host": host}).get(path)
    response.close()  # a file stays open until then

    assert response.status_code == status
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["X-Frame-Options"] == "DENY"
    assert response.headers["Referrer-Policy"] == "same-origin"


@pytest.mark.parametrize("name", ["tollgate_session", "theme", "csrftoken"])
def test_a_cookie_with_a_null_byte_is_rejected(name):
    response = Client(headers={"Cookie": f'{name}="\\000abcdefgh"'}).get("/")

    assert response.status_code == 400


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/notices/read/", {"notice": "a\0"}),
        ("/switch/", {"account": "\0"}),
        ("/accounts/login/", {"login": "\0@example.com", "password": "x"}),
    ],
)
def test_a_form_with_a_null_byte_is_rejected(client, path, form):
    client.force_login(UserFactory.create())

    assert client.post(path, form).status_code == 400


@pytest.mark.parametrize("path", ["/", "/admin/", "/api/edge/v1/routes", "/static/x"])
@pytest.mark.parametrize(
    "field", ["tollgate;service=abc", "other; a=b, tollgate ; service=abc", "tollgate"]
)
def test_a_request_through_an_edge_is_rejected(client, path, field):
    response = client.get(path, headers={"CDN-Loop": field})

    assert response.status_code == 508
    assert response.content == b"The portal can't be used as an origin.\n"
    assert response["Content-Security-Policy"]


def test_a_request_through_another_network_is_accepted(client, db):
    response = client.get("/accounts/login/", headers={"CDN-Loop": "other; x=tollgate"})

    assert response.status_code == 200


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "encoding"),
    [("/accounts/login/", "gzip"), ("/api/service", None), ("/readyz", None)],
)
def test_pages_are_compressed_and_answers_to_programs_are_not(client, path, encoding):
    plain = client.get(path)
    response = client.get(path, headers={"Accept-Encoding": "gzip, br"})

    assert plain.get("Content-Encoding") is None
    assert response.get("Content-Encoding") == encoding


ENABLE = "/products/websockets/enable/"


@pytest.mark.parametrize(
    ("method", "headers", "next_page"),
    [
        ("get", {}, "/services/x/websockets/off/"),
        ("post", {}, "/"),
        ("post", {"Referer": "http://testserver/services/x/?a=1"}, "/services/x/?a=1"),
        ("post", {"Referer": "http://elsewhere.example/services/x/"}, "/"),
        ("post", {"Referer": "//elsewhere.example/"}, "/"),
    ],
)
def test_sign_in_leads_back_to_the_page_that_had_the_form(
    db, client, method, headers, next_page
):
    response = getattr(client, method)("/services/x/websockets/off/", headers=headers)

    assert response.status_code == {"get": 302, "post": 303}[method]
    assert parse_qs(urlsplit(response.url).query) == {"next": [next_page]}


def test_after_a_form_sign_in_says_that_nothing_was_changed(db, client):
    page = client.post(ENABLE, follow=True).content.decode()

    assert "Nothing was changed. Sign in, then send the form again." in page


def test_a_part_that_a_page_requests_is_not_replaced_by_sign_in(db, client):
    response = client.get("/live/", headers={"HX-Request": "true"})

    assert (response.status_code, response.content) == (401, b"You are signed out.")


@pytest.mark.parametrize("referer", ["http://testserver/services/x/", ""])
def test_a_page_that_only_takes_a_form_shows_the_way_back(db, client, referer):
    response = client.get("/theme/", headers={"Referer": referer})

    page = response.content.decode()
    assert (response.status_code, response["Allow"]) == (405, "POST")
    assert "This page can't be opened directly" in page
    assert ('href="/services/x/">Go back' in page) is bool(referer)


@pytest.mark.parametrize(
    ("method", "status"), [("GET", 302), ("HEAD", 302), ("POST", 303), ("DELETE", 303)]
)
def test_a_redirect_is_303_unless_the_request_only_reads(rf, method, status):
    respond = see_other(lambda _request: HttpResponseRedirect("/there/"))

    response = respond(rf.generic(method, "/here/"))

    assert (response.status_code, response["Location"]) == (status, "/there/")


def test_a_permanent_redirect_stays_one(rf):
    respond = see_other(lambda _request: HttpResponsePermanentRedirect("/there/"))

    assert respond(rf.post("/here/")).status_code == 301
