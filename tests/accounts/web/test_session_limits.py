"""Sessions end after a time without a request, and some time after the sign-in."""

import re

import pytest
import time_machine
from django.core import mail
from django.test import Client

from accounts.models import ApiToken, User
from tests.factories.accounts import PASSWORD
from tests.factories.keys import client_of

MINUTE, HOUR, DAY = 60, 3600, 86400
START = "2026-11-22T12:00:00Z"
NEW = "another horse battery staple"


def signed_in(actor) -> Client:
    client = Client()
    client.post("/accounts/login/", {"login": actor.email, "password": PASSWORD})
    assert client.get("/members/").status_code == 200
    return client


@pytest.mark.parametrize(
    ("who", "seconds", "status"),
    [
        ("sam", 30 * MINUTE, 200),
        ("sam", 30 * MINUTE + 1, 302),
        ("bo", 30 * MINUTE + 1, 302),
        ("eve", 8 * HOUR, 200),
        ("eve", 8 * HOUR + 1, 302),
    ],
)
def test_an_unused_session_ends_by_role(request, noted, acme, who, seconds, status):
    with time_machine.travel(START, tick=False) as clock:
        client = signed_in(request.getfixturevalue(who))
        clock.shift(seconds)

        answer = client.get("/members/")

    assert answer.status_code == status
    assert ("user.logged_out" in noted(acme)) is (status == 302)


@pytest.mark.parametrize(
    ("who", "step", "lasts"), [("sam", 29 * MINUTE, DAY), ("eve", 7 * HOUR, 14 * DAY)]
)
def test_a_used_session_ends_some_time_after_the_sign_in(request, who, step, lasts):
    with time_machine.travel(START, tick=False) as clock:
        client = signed_in(request.getfixturevalue(who))
        answers = []
        for _ in range(lasts // step + 1):
            clock.shift(step)
            answers.append(client.get("/members/").status_code)

    assert answers == [200] * (lasts // step) + [302]


@pytest.mark.parametrize("who", ["sam", "eve"])
def test_a_clock_that_is_ahead_lengthens_no_session(request, who):
    actor = request.getfixturevalue(who)
    with time_machine.travel("2026-11-22T20:00:00Z", tick=False) as clock:
        client = signed_in(actor)  # by a process that is eight hours ahead
        clock.move_to(START)
        client.get("/members/")
        clock.shift(8 * HOUR + 1)

        answer = client.get("/members/")

    assert answer.status_code == 302


def test_use_by_a_process_whose_clock_is_ahead_lengthens_no_session(sam):
    with time_machine.travel(START, tick=False) as clock:
        client = signed_in(sam)
        clock.shift(20 * MINUTE)  # here a process with that clock answers
        client.get("/members/")
        clock.shift(-20 * MINUTE)
        client.get("/members/")
        clock.shift(30 * MINUTE + 1)

        answer = client.get("/members/")

    assert answer.status_code == 302


def test_requests_of_an_open_page_do_not_count(sam):
    with time_machine.travel(START, tick=False) as clock:
        client = signed_in(sam)
        for _ in range(2):
            clock.shift(11 * MINUTE)
            assert client.get("/live/").status_code == 200
        clock.shift(11 * MINUTE)
        answer = client.get("/live/")

    assert (answer.status_code, answer.url) == (302, "/accounts/login/?next=/live/")


@pytest.mark.parametrize(("kept", "left"), [({}, 0), ({"keep_tokens": "on"}, 1)])
def test_tokens_end_with_a_password_reset_unless_kept(acme, eve, noted, kept, left):
    api = client_of(eve)
    client = Client()
    client.post("/accounts/password/reset/", {"email": "eve@example.com"})
    link = re.search(r"http://[^/]+(/\S+)", mail.outbox[0].body).group(1)
    form = client.get(link).url

    client.post(form, {"password1": NEW, "password2": NEW} | kept)

    assert User.objects.get(pk=eve.user_id).check_password(NEW)
    assert ApiToken.objects.filter(revoked_at=None).count() == left
    assert (api.get("/api/service").status_code == 200) is bool(left)
    assert ("token.revoked" in noted(acme)) is not bool(left)


def test_a_changed_password_keeps_tokens_unless_asked(eve, browser):
    client_of(eve)
    form = {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW}

    browser(eve).post("/accounts/password/change/", form)
    assert ApiToken.objects.filter(revoked_at=None).count() == 1
    back = {"oldpassword": NEW, "password1": PASSWORD, "password2": PASSWORD}
    browser(eve).post("/accounts/password/change/", back | {"end_tokens": "on"})

    assert not ApiToken.objects.filter(revoked_at=None).exists()


def test_tokens_of_a_superuser_without_a_required_factor_stop(sam, eve, settings):
    settings.SECOND_FACTOR_REQUIRED = True

    answer = client_of(sam).get("/api/service")

    assert answer.status_code == 403
    assert "add a second factor" in answer.json()["detail"]
    assert client_of(eve).get("/api/service").status_code == 200
