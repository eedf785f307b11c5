"""A session is stored under a hash of what the cookie holds."""

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from accounts.models import User
from tests.factories.accounts import PASSWORD

PAGE = "/members/"


def signed_in(actor):
    client = Client()
    user = User.objects.get(pk=actor.user_id)
    client.post("/accounts/login/", {"login": user.email, "password": PASSWORD})
    return client


def test_no_value_of_the_database_is_a_cookie_that_signs_in(sam, tmp_path):
    client = signed_in(sam)
    cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
    dump = tmp_path / "dump.json"
    call_command("dumpdata", output=str(dump))
    stored = [Session.objects.get().pk, UserSession.objects.get().session_key]

    answers = []
    for key in stored:
        thief = Client()
        thief.cookies[settings.SESSION_COOKIE_NAME] = key
        answers.append(thief.get(PAGE).status_code)

    assert client.get(PAGE).status_code == 200
    assert answers == [302, 302]
    assert cookie not in dump.read_text()


def test_signing_in_changes_the_cookie_and_signing_out_ends_it(sam):
    client = Client()
    client.cookies[settings.SESSION_COOKIE_NAME] = "a" * 32
    user = User.objects.get(pk=sam.user_id)

    client.post("/accounts/login/", {"login": user.email, "password": PASSWORD})
    cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
    inside = client.get(PAGE).status_code
    client.post("/accounts/logout/")
    client.cookies[settings.SESSION_COOKIE_NAME] = cookie
    outside = client.get(PAGE).status_code

    assert cookie not in {"a" * 32, ""}
    assert (inside, outside) == (200, 302)


def test_a_session_that_has_expired_signs_no_one_in(sam, browser):
    client = browser(sam)
    before = client.get(PAGE).status_code

    Session.objects.update(expire_date=timezone.now())

    assert (before, client.get(PAGE).status_code) == (200, 302)


def test_a_user_who_is_no_longer_active_is_signed_out(sam, browser):
    client = browser(sam)
    before = client.get("/help/").context["user"].is_authenticated

    User.objects.filter(pk=sam.user_id).update(is_active=False)

    assert before
    assert not client.get("/help/").context["user"].is_authenticated
