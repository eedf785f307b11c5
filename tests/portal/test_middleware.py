"""What every answer carries, whoever gives it."""

import pytest
from django.test import Client


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "host", "status"),
    [
        ("/accounts/login/", "testserver", 200),
        ("/nowhere", "testserver", 404),
        ("/service", "testserver", 401),
        ("/a\0b", "testserver", 400),
        ("/accounts/login/", "evil.example", 400),
        ("/static/img/icon.svg", "testserver", 200),
    ],
)
def test_every_answer_has_the_headers_that_guard_it(settings, path, host, status):
    settings.ALLOWED_HOSTS = ["testserver"]

    answer = Client(headers={"Host": host}).get(path)
    answer.close()  # a file stays open until then

    assert answer.status_code == status
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Referrer-Policy"] == "same-origin"


@pytest.mark.parametrize("path", ["/", "/admin/", "/api/edge/v1/routes", "/static/x"])
@pytest.mark.parametrize(
    "field", ["tollgate;service=abc", "other; a=b, tollgate ; service=abc", "tollgate"]
)
def test_the_portal_is_no_origin(client, path, field):
    answer = client.get(path, headers={"CDN-Loop": field})

    assert answer.status_code == 508
    assert answer.content == (
        b"The portal is no origin: it answers nothing that comes through an edge.\n"
    )
    assert answer["Content-Security-Policy"]


def test_the_portal_may_stand_behind_another_network(client, db):
    answer = client.get("/accounts/login/", headers={"CDN-Loop": "other; x=tollgate"})

    assert answer.status_code == 200
