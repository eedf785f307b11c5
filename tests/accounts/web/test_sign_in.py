"""Sign-in: by invitation only, rate limited per user, recorded in the audit trail."""

import re
import time

import pytest
from django.core import mail
from django.core.management import call_command
from django.test import Client

from accounts.actor import Actor, Interface
from accounts.commands.accounts import create_account
from accounts.commands.mail import send_due_mail
from accounts.models import User
from tests.factories.accounts import PASSWORD, UserFactory
from tests.factories.keys import client_of

LOGIN = "/accounts/login/"
NEW_PASSWORD = "another horse battery staple"


@pytest.fixture(autouse=True)
def _counts_in_the_database(settings, db):
    """Count attempts in the database, as in production."""
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.db.DatabaseCache",
            "LOCATION": "portal_cache",
            "KEY_PREFIX": str(time.monotonic_ns()),
        }
    }
    call_command("createcachetable", verbosity=0)


def sign_in(email, password, client=None, host="127.0.0.1", address="192.0.2.1"):
    return (client or Client()).post(
        LOGIN,
        {"login": email, "password": password},
        headers={"host": host},
        REMOTE_ADDR=address,
    )


def test_sign_in_and_sign_out_are_noted_with_their_source(acme, eve, noted, last_body):
    client = Client()

    assert sign_in("Eve@Example.com", PASSWORD, client).url == "/"
    client.post("/accounts/logout/")

    assert noted(acme) == ["user.logged_in", "user.logged_out"]
    body = last_body(acme)
    assert (body["actor"]["id"], body["auth"]["method"]) == (eve.user_id, "password")
    assert set(body["pii"]) == {"ip", "email"}


def test_a_wrong_password_of_a_member_is_noted(acme, eve, noted, last_body):
    answer = sign_in("eve@example.com", "wrong")

    assert answer.status_code == 200
    assert noted(acme) == ["user.login_failed"]
    assert last_body(acme)["outcome"] == "refused"


def test_an_unknown_address_and_a_wrong_password_give_the_same_response(
    acme, eve, noted
):
    known = sign_in("eve@example.com", "wrong").content
    unknown = sign_in("eva@example.com", "wrong").content

    assert errors_in(unknown) == errors_in(known)
    assert b"Email or password is wrong." in errors_in(known)
    assert noted(acme) == ["user.login_failed"]


def errors_in(page):
    start = page.index(b'class="callout bad"')
    return page[start : page.index(b"</div>", start)]


def test_after_five_wrong_passwords_the_right_one_is_refused_too(acme, eve):
    for number in range(5):
        assert (
            b"Email or password is wrong."
            in sign_in("eve@example.com", "wrong").content
        ), number

    sixth = sign_in("eve@example.com", "wrong")
    right = sign_in("EVE@example.com", PASSWORD, address="192.0.2.2")

    assert b"Too many failed sign-ins" in sixth.content
    assert b"Too many failed sign-ins" in right.content


def lock_out(email):
    pages = [sign_in(email, "wrong", address="192.0.2.66") for _ in range(6)]
    assert b"Too many failed sign-ins" in pages[-1].content


def test_strangers_do_not_lock_a_user_out_of_a_known_device(acme, eve):
    device = Client()
    sign_in("eve@example.com", PASSWORD, device)
    device.post("/accounts/logout/")

    lock_out("eve@example.com")

    assert sign_in("eve@example.com", PASSWORD, device).status_code == 303
    stranger = sign_in("eve@example.com", PASSWORD, address="192.0.2.2")
    assert b"You can still use a passkey." in stranger.content


def test_a_known_device_has_a_limit_of_its_own(acme, eve):
    device = Client()
    sign_in("eve@example.com", PASSWORD, device)
    device.post("/accounts/logout/")

    for number in range(5):
        page = sign_in("eve@example.com", "wrong", device)
        assert b"Email or password is wrong." in page.content, number

    locked = sign_in("eve@example.com", PASSWORD, device)
    assert b"Too many failed sign-ins" in locked.content
    assert sign_in("eve@example.com", PASSWORD, Client()).status_code == 303


def test_a_device_is_known_only_for_those_who_signed_in_with_it(acme, eve, bo):
    device = Client()
    sign_in("bo@example.com", PASSWORD, device)
    device.post("/accounts/logout/")
    lock_out("eve@example.com")

    page = sign_in("eve@example.com", PASSWORD, device)

    assert b"Too many failed sign-ins" in page.content


def test_two_users_of_one_device_are_both_known(acme, eve, bo):
    device = Client()
    for email in ("eve@example.com", "bo@example.com"):
        sign_in(email, PASSWORD, device)
        device.post("/accounts/logout/")

    lock_out("eve@example.com")

    assert sign_in("eve@example.com", PASSWORD, device).status_code == 303


def test_a_forged_device_cookie_is_ignored(acme, eve, settings):
    lock_out("eve@example.com")
    device = Client()
    device.cookies[settings.DEVICE_COOKIE_NAME] = "eyJpZCI6IngifQ:1:x"

    page = sign_in("eve@example.com", PASSWORD, device)

    assert b"Too many failed sign-ins" in page.content


def test_strangers_do_not_keep_a_signed_in_user_from_confirming(acme, eve):
    client = Client()
    sign_in("eve@example.com", PASSWORD, client)
    lock_out("eve@example.com")

    page = client.post("/accounts/reauthenticate/", {"password": PASSWORD})

    assert page.status_code == 303


def test_strangers_do_not_keep_a_token_from_sudo(acme, eve):
    lock_out("eve@example.com")

    answer = client_of(eve).post(
        "/api/sudo", {"password": PASSWORD}, "application/json"
    )

    assert answer.status_code == 200


def test_another_host_name_does_not_reset_the_attempts(acme, eve):
    for number in range(5):
        assert (
            b"Email or password is wrong."
            in sign_in("eve@example.com", "wrong").content
        ), number

    elsewhere = sign_in(
        "eve@example.com", "wrong", host="localhost", address="192.0.2.2"
    )

    assert b"Too many failed sign-ins" in elsewhere.content


def test_other_users_are_not_locked_out(acme, eve, bo):
    for number in range(6):
        assert sign_in("eve@example.com", "wrong").status_code == 200, number

    assert sign_in("bo@example.com", PASSWORD, address="192.0.2.2").status_code == 303


def test_the_admin_uses_the_same_sign_in(acme, ada):
    page = Client().post(
        "/admin/login/", {"username": "ada@example.com", "password": PASSWORD}
    )

    assert (page.status_code, page.url) == (
        303,
        "/accounts/login/?next=%2Fadmin%2Flogin%2F",
    )


def test_sign_up_is_closed(db):
    page = Client().post(
        "/accounts/signup/", {"email": "x@example.com", "password1": PASSWORD}
    )

    assert b"invitation" in page.content
    assert not User.objects.exists()


def test_a_changed_password_is_noted(acme, eve, browser, noted):
    client = browser(eve)

    client.post(
        "/accounts/password/change/",
        {"oldpassword": PASSWORD, "password1": NEW_PASSWORD, "password2": NEW_PASSWORD},
    )

    user = User.objects.get(pk=eve.user_id)
    assert user.check_password(NEW_PASSWORD)
    assert user.password_changed_at is not None
    assert "password.changed" in noted(acme)


@pytest.fixture
def initech(db, now):
    """Return a new account whose superuser Peter has no password; his email is sent."""
    operator = Actor.system("create-account", interface=Interface.COMMAND)
    account = create_account(
        operator,
        name="Initech",
        superuser_email="peter@initech.example",
        superuser_name="Peter",
        password=None,
        now=now,
    )
    send_due_mail(now=now)
    return account


def link_in(message):
    """Return the path of the link by which a password is set."""
    start = message.body.index("/accounts/password/reset/key/")
    return message.body[start:].split()[0]


def test_one_email_lets_a_new_superuser_choose_a_password_and_signs_them_in(
    initech, noted
):
    client = Client()
    form = client.get(link_in(mail.outbox[0])).url

    page = client.get(form).content.decode()
    assert "Save password and sign in" in page
    assert "keep_tokens" not in page
    answer = client.post(form, {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD})

    assert answer.url == "/"
    assert client.get("/").status_code == 200
    assert len(mail.outbox) == 1
    assert noted(initech)[3:] == ["password.reset", "user.logged_in"]


def test_the_emails_of_the_sign_in_are_text_and_html(sam):
    email = User.objects.get(pk=sam.user_id).email
    Client().post("/accounts/password/reset/", {"email": email})

    [message] = mail.outbox
    [(html, kind)] = message.alternatives
    assert kind == "text/html"
    assert f'{link_in(message)}" rel="nofollow">' in str(html)


def test_the_link_works_once(initech):
    link = link_in(mail.outbox[0])
    client = Client()
    form = client.get(link).url
    client.post(form, {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD})

    again = Client().get(link)

    assert "This link has expired" in again.content.decode()


def test_a_reset_of_a_known_password_does_not_sign_in(acme, eve):
    client = Client()
    client.post("/accounts/password/reset/", {"email": eve.email})
    form = client.get(link_in(mail.outbox[0])).url

    client.post(form, {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD})

    assert client.get("/").status_code == 302


def test_an_email_about_a_login_has_the_time_as_its_user_reads_times(acme, eve):
    user = User.objects.filter(pk=eve.user_id)
    user.update(time_zone="Asia/Tokyo", date_format="iso")
    client = Client(HTTP_USER_AGENT="Mozilla/5.0 (X11; Linux) Firefox/140.0")
    client.post("/accounts/password/reset/", {"email": eve.email})
    form = client.get(link_in(mail.outbox[0])).url

    client.post(form, {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD})

    body = mail.outbox[-1].body
    when = r"\d{4}-\d\d-\d\d \d\d:\d\d JST, from 127.0.0.1, Firefox on Linux\."
    assert re.search(when, body)


def test_a_disabled_user_cannot_sign_in(acme, eve, noted):
    User.objects.filter(pk=eve.user_id).update(is_active=False)

    sign_in("eve@example.com", PASSWORD)

    assert "user.logged_in" not in noted(acme)


def test_a_wrong_password_of_a_disabled_member_is_noted(acme, eve, noted):
    User.objects.filter(pk=eve.user_id).update(is_active=False)

    sign_in("eve@example.com", "wrong")

    assert noted(acme) == ["user.login_failed"]


def test_the_sign_in_of_a_user_without_an_account_is_in_no_trail(acme, noted):
    UserFactory.create(name="Noah")

    assert sign_in("noah@example.com", PASSWORD).status_code == 303
    assert noted(acme) == []
