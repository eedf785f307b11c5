"""Re-authentication before sensitive actions: valid for five minutes."""

import time

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from django.test import Client
from django.urls import reverse

from accounts.models import Invitation, User
from tests.accounts.conftest import confirm
from tests.factories.accounts import PASSWORD

INVITE = "/members/invite/"
REAUTHENTICATE = "/accounts/reauthenticate/?next=%2Fmembers%2Finvite%2F"
FORM = {"email": "lin@example.com", "role": "engineer"}


@pytest.fixture(autouse=True)
def _empty_counts(settings):
    """Give each test its own cache, so that attempts start at zero."""
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
            "LOCATION": f"reauthentication-{time.monotonic_ns()}",
        }
    }


def test_a_new_sign_in_is_not_a_reauthentication(sam):
    client = Client()
    client.post("/accounts/login/", {"login": "sam@example.com", "password": PASSWORD})

    page = client.get(INVITE)

    assert (page.status_code, page.url) == (302, REAUTHENTICATE)


def test_a_password_leads_back_to_the_page(sam, browser):
    client = browser(sam, confirmed=None)

    answer = client.post(
        "/accounts/reauthenticate/", {"password": PASSWORD, "next": INVITE}
    )

    assert (answer.status_code, answer.url) == (302, INVITE)
    assert client.get(INVITE).status_code == 200


@pytest.mark.parametrize(
    ("seconds", "status"), [(0, 200), (299, 200), (300, 200), (301, 302), (3600, 302)]
)
def test_a_reauthentication_is_valid_for_five_minutes(sam, browser, seconds, status):
    with time_machine.travel("2026-11-22T12:00:00Z", tick=False) as clock:
        client = browser(sam)
        clock.shift(seconds)

        assert client.get(INVITE).status_code == status


@pytest.mark.parametrize(("seconds", "invited"), [(300, 1), (301, 0)])
def test_a_post_requires_reauthentication_like_the_page(sam, browser, seconds, invited):
    with time_machine.travel("2026-11-22T12:00:00Z", tick=False) as clock:
        client = browser(sam)
        clock.shift(seconds)

        client.post(INVITE, FORM)

    assert Invitation.objects.count() == invited


def test_a_post_without_reauthentication_is_not_repeated_later(sam, browser):
    client = browser(sam, confirmed=301)

    answer = client.post(INVITE, FORM)
    client.post("/accounts/reauthenticate/", {"password": PASSWORD, "next": INVITE})
    page = client.get(INVITE)

    assert answer.url == REAUTHENTICATE
    assert Invitation.objects.count() == 0
    assert b'value="lin@example.com"' in page.content
    assert b'<option value="engineer" selected>' in page.content
    assert b"lin@example.com" not in client.get(INVITE).content


def test_a_user_without_password_and_factor_must_add_a_factor(sam, browser):
    user = User.objects.get(pk=sam.user_id)
    user.set_unusable_password()
    user.save()
    client = browser(sam)

    page, post = client.get(INVITE), client.post(INVITE, FORM)

    assert (page.status_code, post.status_code) == (403, 403)
    assert b"Set up a second factor first" in page.content
    assert Invitation.objects.count() == 0


def test_a_user_with_only_a_factor_reauthenticates_by_it(sam, browser):
    user = User.objects.get(pk=sam.user_id)
    user.set_unusable_password()
    user.save()
    Authenticator.objects.create(user=user, type="totp", data={"secret": "x"})

    page = browser(sam, confirmed=None).get(INVITE)

    assert page.url == "/accounts/2fa/reauthenticate/?next=%2Fmembers%2Finvite%2F"


def test_the_reauthentication_of_another_user_does_not_count(sam, eve, browser):
    client = browser(sam)
    confirm(client, eve.user_id, time.time())

    assert client.get(INVITE).status_code == 302


def test_a_wrong_password_is_noted_and_refused(acme, sam, browser, noted, last_body):
    client = browser(sam, confirmed=None)

    answer = client.post(
        "/accounts/reauthenticate/", {"password": "wrong", "next": INVITE}
    )

    assert answer.status_code == 200
    assert client.get(INVITE).status_code == 302
    assert noted(acme) == ["user.reauthentication_failed"]
    body = last_body(acme)
    assert (body["outcome"], body["actor"]["id"]) == ("refused", sam.user_id)


def test_a_wrong_code_is_noted_too(acme, sam, browser, noted):
    user = User.objects.get(pk=sam.user_id)
    Authenticator.objects.create(
        user=user, type="totp", data={"secret": "JBSWY3DPEHPK3PXP"}
    )

    browser(sam, confirmed=None).post(
        "/accounts/2fa/reauthenticate/", {"code": "000000"}
    )

    assert noted(acme) == ["user.reauthentication_failed"]


@pytest.mark.parametrize("who", ["eve", "lin", "bo", "una"])
def test_a_member_without_permission_is_refused_first(request, who, browser):
    page = browser(request.getfixturevalue(who), confirmed=None).get(INVITE)

    assert page.status_code == 403
    assert b"Superusers can invite people." in page.content


def test_if_the_operator_requires_it_these_roles_must_add_a_factor(
    settings, sam, bo, ada, browser
):
    settings.SECOND_FACTOR_REQUIRED = True
    enrol = reverse("mfa_index")

    for actor in (sam, bo, ada):
        page = browser(actor).get("/members/")
        assert (page.status_code, page.url) == (302, enrol)
    assert browser(sam).post(INVITE, FORM).url == enrol
    assert browser(ada).get("/admin/").url == enrol
    assert Invitation.objects.count() == 0


def test_engineers_and_users_with_a_factor_continue(settings, sam, eve, browser):
    settings.SECOND_FACTOR_REQUIRED = True
    user = User.objects.get(pk=sam.user_id)
    Authenticator.objects.create(user=user, type="totp", data={"secret": "x"})

    assert browser(eve).get("/members/").status_code == 200
    assert browser(sam).get("/members/").status_code == 200


def test_the_pages_for_adding_a_factor_stay_open(settings, sam, browser):
    settings.SECOND_FACTOR_REQUIRED = True

    assert browser(sam).get(reverse("mfa_index")).status_code == 200
