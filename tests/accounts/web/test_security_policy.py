"""The page of the security policy, and what members find when it is set."""

import re

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Account, User
from accounts.roles import Role
from tests.factories.accounts import (
    PASSWORD,
    AccountFactory,
    MembershipFactory,
    actor_for,
    member,
)
from tests.factories.keys import client_of
from tests.products.web.conftest import text_of

PAGE = "/account/security/"
ENROL = "/accounts/2fa/"
ACTIVATE = "/accounts/2fa/totp/activate/"
START = "2026-11-22T12:00:00Z"
MINUTE, HOUR = 60, 3600


def add_factor(actor) -> None:
    Authenticator.objects.create(
        user_id=actor.user_id, type="totp", data={"secret": "x"}
    )


@pytest.fixture
def strict(acme):
    """Require a second factor of Acme's members."""
    Account.objects.filter(pk=acme.pk).update(second_factor_required=True)


def test_the_page_says_whom_it_concerns_before(browser, sam, bo, eve, lin):
    add_factor(sam)
    add_factor(bo)

    page = text_of(browser(sam).get(PAGE))

    assert "2 of 4 members have no second factor: Eve and Lin." in page
    assert "If you require it, they must add one before they can go on." in page


def test_the_names_on_the_page_are_bounded(browser, sam, acme):
    for number in range(12):
        member(acme, f"Person {number:02}", Role.USER)
    add_factor(sam)
    client = browser(sam)

    page = text_of(client.get(PAGE))

    assert "12 of 13 members have no second factor: Person 00," in page
    assert "Person 09 and 2 more." in page


def test_fewer_names_are_on_the_page_if_they_are_long(browser, sam, acme):
    for number in range(12):
        member(acme, f"Person {number:02} {'w' * 60}", Role.USER)
    add_factor(sam)

    page = text_of(browser(sam).get(PAGE))

    assert "12 of 13 members have no second factor: Person 00" in page
    assert "w and 10 more." in page
    assert "Person 02" not in page


def test_a_superuser_sets_it_after_proving_who_they_are(browser, sam, acme, noted):
    add_factor(sam)
    sent = {"second_factor_required": "on", "session_idle_seconds": "900"}

    asked = browser(sam, confirmed=None).post(PAGE, sent)
    acme.refresh_from_db()

    assert asked.status_code == 403
    assert 'name="session_idle_seconds" value="900"' in asked.content.decode()
    assert (acme.second_factor_required, noted(acme)) == (False, [])


def test_without_an_own_factor_the_page_refuses_with_a_link(browser, sam, acme):
    client = browser(sam)

    shown = client.get(PAGE).content.decode()
    sent = client.post(PAGE, {"second_factor_required": "on"})

    acme.refresh_from_db()
    assert f'<a href="{ENROL}">add a second factor to your own login</a>' in shown
    assert sent.status_code == 409
    assert "Add a second factor to your own login first." in text_of(sent)
    assert not acme.second_factor_required


def test_session_limits_are_saved_and_shown_to_everyone(browser, sam, una, acme):
    answer = browser(sam).post(PAGE, {"session_max_seconds": "28800"}, follow=True)
    shown = text_of(browser(una).get(reverse("account_settings")))

    assert "Saved the security policy." in text_of(answer)
    assert (
        "Sessions of others End 8 hours after their last use, and 8 hours after"
        in shown
    )
    acme.refresh_from_db()
    assert acme.session_max_seconds == 8 * HOUR


def test_a_member_is_led_to_enrol_and_back(strict, browser, eve):
    client = browser(eve)

    led = client.get("/members/?q=sam")
    page = client.get(ENROL)
    setup = client.get(ACTIVATE)
    secret = setup.context["form"].secret
    code = format_hotp_value(hotp_value(secret, int(timezone.now().timestamp()) // 30))
    codes = client.post(ACTIVATE, {"code": code}, follow=True)

    assert (led.status_code, led.url) == (302, ENROL)
    assert "Acme requires a second factor. Add a passkey" in text_of(page)
    assert "Go back to where you were" not in text_of(page)
    assert 'href="/members/?q=sam"' in codes.content.decode()
    assert client.get("/members/?q=sam").status_code == 200
    assert "Go back to where you were" not in text_of(client.get(ENROL))


def test_a_form_of_a_member_without_a_factor_changes_nothing(strict, browser, una):
    client = browser(una)
    form = {"name": "Una Two"}

    led = client.post(
        "/profile/", form, headers={"Referer": "http://testserver/profile/"}
    )

    assert (led.status_code, led.url) == (303, ENROL)
    assert "Nothing was changed." in text_of(client.get(ENROL))
    assert client.session["after_enrolment"] == "/profile/"
    assert User.objects.get(pk=una.user_id).name == "Una"


def test_a_fragment_gets_403_and_no_other_page(strict, browser, eve):
    answer = browser(eve).get("/live/", headers={"HX-Request": "true"})

    assert (answer.status_code, answer.content) == (403, b"Add a second factor first.")


def test_tokens_of_members_without_a_factor_stop_and_others_work(strict, sam, eve):
    add_factor(sam)

    refused = client_of(eve).get("/api/service")

    assert refused.status_code == 403
    assert "add a second factor" in refused.json()["detail"]
    assert client_of(sam).get("/api/service").status_code == 200


def test_the_policy_of_another_account_does_not_stop_a_token(strict, eve):
    other = AccountFactory.create()
    user = User.objects.get(pk=eve.user_id)
    MembershipFactory.create(account=other, user=user, role=Role.ENGINEER)

    answer = client_of(actor_for(user, other)).get("/api/service")

    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("open_with", "path", "more"),
    # A page has read the memberships; a token has what the account requires.
    [("browser", "/notices/settings/", 1), ("api", "/api/tokens/self", 1)],
)
def test_a_request_has_a_constant_number_of_queries_more(
    acme, eve, browser, django_assert_max_num_queries, open_with, path, more
):
    client = {"browser": browser, "api": client_of}[open_with](eve)
    add_factor(eve)
    client.get(path)
    with django_assert_max_num_queries(100) as without:
        client.get(path)
    Account.objects.filter(pk=acme.pk).update(second_factor_required=True)

    with django_assert_max_num_queries(100) as required:
        assert client.get(path).status_code == 200

    assert len(required) - len(without) == more


def test_the_api_says_that_the_account_requires_it(strict, acme, sam):
    add_factor(sam)

    answer = client_of(sam).get(f"/api/customer/{acme.pk}")

    assert answer.json()["force_2fa"] is True


@pytest.mark.parametrize(
    ("fields", "unused", "message"),
    [
        (
            {"session_idle_seconds": 15 * MINUTE},
            [15 * MINUTE, 15 * MINUTE + 1],
            "Your session ended 15 minutes after its last use, as Acme requires.",
        ),
        (
            {"session_max_seconds": 8 * HOUR},
            [4 * HOUR, 4 * HOUR + 1],
            "Your session ended 8 hours after you signed in, as Acme requires.",
        ),
    ],
)
def test_a_session_that_is_open_ends_at_the_new_limit(
    acme, eve, fields, unused, message
):
    with time_machine.travel(START, tick=False) as clock:
        client = Client()
        client.post("/accounts/login/", {"login": eve.email, "password": PASSWORD})
        assert client.get("/members/").status_code == 200
        Account.objects.filter(pk=acme.pk).update(**fields)
        clock.shift(unused[0])
        client.get("/members/")
        clock.shift(unused[1])
        ended = client.get("/members/?q=a")
        page = text_of(client.get(ended.url))

    assert (ended.status_code, ended.url) == (
        302,
        "/accounts/login/?next=/members/%3Fq%3Da",
    )
    assert re.search(re.escape(message), page)


def test_a_session_within_the_limit_goes_on(acme, eve):
    with time_machine.travel(START, tick=False) as clock:
        client = Client()
        client.post("/accounts/login/", {"login": eve.email, "password": PASSWORD})
        client.get("/members/")
        Account.objects.filter(pk=acme.pk).update(session_idle_seconds=15 * MINUTE)
        clock.shift(15 * MINUTE)

        assert client.get("/members/").status_code == 200


def test_removing_the_last_factor_says_that_one_is_required(strict, browser, sam):
    add_factor(sam)

    page = text_of(browser(sam).get("/accounts/2fa/totp/deactivate/"))

    assert (
        "Acme requires a second factor. Without another one, you must add one" in page
    )
