"""How large a body may be: by path, and by what is known of the sender."""

from io import BytesIO

import pytest
from django.test import Client

from accounts.models import User
from tests.factories.keys import FORM, client_of

KIB = 1024
JSON = "application/json"


def body_of(size):
    return b"x" * size


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("/api/sudo", JSON),
        ("/api/tokens", FORM),
        ("/api/service", JSON),
        ("/api/no/such/path", FORM),
        ("/accounts/login/", FORM),
        ("/accounts/password/reset/", FORM),
        ("/no/such/page/", FORM),
    ],
)
def test_a_stranger_may_send_64_kib(db, path, media_type):
    refused = Client().post(path, body_of(64 * KIB + 1), content_type=media_type)
    read = Client().post(path, body_of(64 * KIB), content_type=media_type)

    assert refused.status_code == 413
    assert b"64 KiB" in refused.content
    assert read.status_code != 413


@pytest.mark.parametrize("path", ["/api/sudo", "/api/tokens"])
def test_a_token_allows_no_larger_body_where_a_password_is_sent(eve, path):
    response = client_of(eve).post(path, body_of(64 * KIB + 1), content_type=FORM)

    assert response.status_code == 413


def test_a_token_allows_one_mebibyte(eve):
    refused = client_of(eve).post(
        "/api/service", body_of(1024 * KIB + 1), content_type=FORM
    )
    read = client_of(eve).post("/api/service", body_of(1024 * KIB), content_type=FORM)

    assert refused.status_code == 413
    assert refused.json()["detail"] == "The body may have at most 1024 KiB."
    assert read.status_code == 400


def test_a_session_allows_one_mebibyte_on_pages(eve):
    browser = Client()
    browser.force_login(User.objects.get(pk=eve.user_id))

    refused = browser.post("/services/new", body_of(1024 * KIB + 1), content_type=FORM)
    read = browser.post("/services/new", body_of(1024 * KIB), content_type=FORM)

    assert refused.status_code == 413
    assert read.status_code != 413


def test_a_session_that_has_ended_allows_64_kib(db):
    browser = Client()
    browser.cookies["tollgate_session"] = "no-such-session"

    response = browser.post("/services/new", body_of(64 * KIB + 1), content_type=FORM)

    assert response.status_code == 413


@pytest.mark.parametrize("length", ["", "-1", "many", "²", "1" * 5000])
def test_an_odd_length_is_an_answer_and_not_an_error(db, length):
    response = Client().post(
        "/api/sudo", b"x", content_type=FORM, CONTENT_LENGTH=length
    )

    assert response.status_code in {400, 401, 413}


class InPieces(BytesIO):
    """A body that arrives a few bytes at a time."""

    def read(self, size: int | None = -1) -> bytes:
        """Return fewer bytes than are asked for."""
        return super().read(min(size or 0, 1000))


def chunked(body: bytes) -> dict[str, object]:
    """Return what the web server passes on for a body without a length."""
    return {
        "wsgi.input": InPieces(body),
        "HTTP_TRANSFER_ENCODING": "chunked",
        "CONTENT_LENGTH": "",
    }


@pytest.mark.parametrize(
    ("media_type", "body"),
    [(FORM, b"name=%s" % (b"x" * 2000)), (JSON, b'{"name": "%s"}' % (b"x" * 2000))],
)
def test_a_body_without_a_length_is_read(eve, media_type, body):
    response = client_of(eve).post(
        "/api/service", content_type=media_type, **chunked(body)
    )

    assert response.status_code == 400
    assert "120 characters" in response.json()["detail"]


@pytest.mark.parametrize(
    "changes",
    [
        {"CONTENT_LENGTH": "10"},
        {"HTTP_TRANSFER_ENCODING": "gzip, chunked"},
        {"HTTP_TRANSFER_ENCODING": "identity"},
    ],
)
def test_a_body_whose_end_is_not_certain_is_refused(eve, changes):
    response = client_of(eve).post(
        "/api/service", content_type=FORM, **(chunked(b"name=shop2") | changes)
    )

    assert response.status_code == 400
    assert "Transfer-Encoding" in response.json()["detail"]


def test_a_body_without_a_length_has_the_same_limits(eve):
    stranger = Client().post(
        "/api/tokens", content_type=FORM, **chunked(body_of(64 * KIB + 1))
    )
    known = client_of(eve).post(
        "/api/service", content_type=FORM, **chunked(body_of(1024 * KIB + 1))
    )
    within = client_of(eve).post(
        "/api/service", content_type=FORM, **chunked(body_of(1024 * KIB))
    )

    assert (stranger.status_code, known.status_code) == (413, 413)
    assert within.status_code == 400


def test_with_an_idempotency_key_a_body_without_a_length_has_the_same_limit(eve):
    response = client_of(eve).post(
        "/api/service",
        content_type=FORM,
        headers={"Idempotency-Key": "one"},
        **chunked(body_of(1024 * KIB + 1)),
    )

    assert response.status_code == 413
    assert response.json()["detail"] == "The body may have at most 1024 KiB."


class Silent:
    """A body whose sender sends nothing more: reading it would wait."""

    def read(self, *_: object) -> bytes:
        raise AssertionError

    readline = read


@pytest.mark.parametrize("token", [None, "wrong"])
def test_a_stranger_is_refused_before_a_body_without_a_length_is_read(db, token):
    sent = chunked(b"") | {"wsgi.input": Silent()}
    headers = {"Fastly-Key": token} if token else {}

    response = Client().post("/api/service", headers=headers, content_type=FORM, **sent)

    assert response.status_code == 401
