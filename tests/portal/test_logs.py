"""Log lines have one form, and contain nothing that a client sent."""

import json
import logging
from io import StringIO

import pytest
from django.core.signing import Signer
from django.test import Client

from accounts.commands.mail import INVITATION_SALT
from accounts.models import User
from portal import health
from portal.logs import FIELDS, JsonFormatter
from tests.factories.accounts import PASSWORD
from tests.factories.keys import key_of

ADDRESS = "203.0.113.77"
WRONG = "tg_wrong-token-of-a-client"


@pytest.fixture
def lines(caplog):
    """Return a function that returns all lines logged since, of every level."""
    stream = StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.addHandler(handler)
    with (
        caplog.at_level(logging.DEBUG),
        caplog.at_level(logging.INFO, "portal.requests"),
    ):
        yield lambda: [json.loads(each) for each in stream.getvalue().splitlines()]
    root.removeHandler(handler)


def fail_with(secret):
    def fail(now):
        raise ValueError(f"not a number: {secret}")

    return fail


def test_requests_with_secrets_log_none_of_them(lines, sam, shop, monkeypatch):
    invitation = Signer(salt=INVITATION_SALT).sign("0123456789012345678901")
    token = key_of(sam)
    client = Client(REMOTE_ADDR=ADDRESS, raise_request_exception=False)
    email = User.objects.get(pk=sam.user_id).email

    client.post("/accounts/login/", {"login": email, "password": "wrong-" + PASSWORD})
    client.post("/accounts/login/", {"login": email, "password": PASSWORD})
    client.get("/")
    session = client.cookies["tollgate_session"].value
    client.get(f"/join/{invitation}/")
    client.get("/accounts/password/reset/key/1-reset-key-of-sam/")
    client.get("/nowhere/secret-path/?secret-query=1")
    client.get("/api/service", headers={"Fastly-Key": WRONG})
    client.get("/api/service", headers={"Fastly-Key": token})
    Client(REMOTE_ADDR=ADDRESS, enforce_csrf_checks=True).post(
        "/accounts/login/",
        {"login": email},
        headers={"Referer": "https://secret.example/"},
    )
    monkeypatch.setattr(health, "all_checks", fail_with("secret-of-an-exception"))
    client.get("/readyz")

    found = lines()
    text = json.dumps(found)
    secrets = [
        *(PASSWORD, email, invitation, "reset-key-of-sam", "secret-path"),
        *("secret-query", WRONG, token, session, ADDRESS, "secret-of-an-exception"),
        "secret.example",
    ]
    assert [each for each in secrets if each in text] == []
    assert {key for line in found for key in line} <= {*FIELDS, "traceback"}


def test_the_line_of_a_request_says_who_did_what_where(lines, sam, shop):
    client = Client(headers={"Fastly-Key": key_of(sam)})

    response = client.get(f"/api/service/{shop.pk}")

    line = lines()[-1]
    assert line.pop("time").endswith("+00:00")
    assert 0 <= line.pop("duration_ms") < 60_000
    assert line.pop("actor_id")
    assert line == {
        "level": "info",
        "logger": "portal.requests",
        "message": "A request was answered.",
        "fields": {},
        "request_id": response["X-Request-ID"],
        "account_id": sam.account_id,
        "route": "/api/service/<str:service_id>",
        "status": 200,
    }


def test_the_line_of_a_page_has_the_signed_in_user_and_their_account(lines, sam):
    client = Client()
    client.force_login(User.objects.get(pk=sam.user_id))

    client.get("/")

    line = lines()[-1]
    assert (line["actor_id"], line["account_id"]) == (sam.user_id, sam.account_id)


def test_a_traceback_has_places_and_types_but_no_texts(lines):
    try:
        try:
            int("secret-cause")
        except ValueError as error:
            raise KeyError("secret-key") from error
    except KeyError:
        logging.getLogger("portal").exception("It failed.", extra={"mail": 7})

    (line,) = lines()
    assert line["fields"] == {"mail": "7"}
    types = [each for each in line["traceback"] if "/" not in each]
    assert types == ["ValueError", "KeyError"]
    assert "secret" not in json.dumps(line)


def test_a_line_break_in_a_value_starts_no_new_line(lines):
    logging.getLogger("portal").error("One\n{}\x1b[31m", extra={"name_": "a\r\nb"})

    (line,) = lines()
    assert line["message"] == "One\n{}\x1b[31m"
