"""Headers of every response, and requests that the portal rejects."""

import pytest
from django.test import Client


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
