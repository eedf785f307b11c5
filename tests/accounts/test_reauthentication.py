"""Re-authentication before sensitive actions: valid for five minutes."""

import re
import time

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, hotp_value
from django.test import Client
from django.urls import reverse

from accounts.models import Invitation, User
from tests.factories.accounts import PASSWORD
from tests.factories.sessions import confirm

INVITE = "/members/invite/"
LOGIN = "/accounts/login/"
SECRET = "JBSWY3DPEHPK3PXP"
FORM = {"email": "lin@example.com", "role": "engineer"}
BY_PASSWORD = {
    "reauthentication-method": "password",
    "reauthentication-password": PASSWORD,
}


@pytest.fixture(autouse=True)
def _empty_counts(settings):
    """Give each test its own cache, so that attempts start at zero."""
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
            "LOCATION": f"reauthentication-{time.monotonic_ns()}",
        }
    }


def user_of(actor) -> User:
    return User.objects.get(pk=actor.user_id)


def by_code(code: str) -> dict[str, str]:
    return {"reauthentication-method": "code", "reauthentication-code": code}


def current_code(periods: int = 0) -> str:
    """Return the code that the user's app shows, or showed some periods of 30 seconds ago."""
    counter = int(time.time()) // 30 + periods
    return str(format_hotp_value(hotp_value(SECRET, counter)))


def invited() -> int:
    return Invitation.objects.count()


def test_reading_needs_no_reauthentication(sam, browser):
    assert browser(sam, confirmed=None).get(INVITE).status_code == 200


def test_the_page_that_asks_names_the_action_and_a_way_back(sam, browser):
    page = browser(sam, confirmed=None).post(INVITE, FORM)

    assert page.status_code == 403
    assert b"Confirm to invite lin@example.com" in page.content
    assert re.search(r'type="password"[^>]* autofocus', page.content.decode())
    assert b'href="/members/invite/">Cancel' in page.content
    assert invited() == 0


def test_the_answer_continues_the_action_with_the_values_typed(sam, browser):
    client = browser(sam, confirmed=None)
    page = client.post(INVITE, FORM)
    assert b'name="email" value="lin@example.com"' in page.content

    answer = client.post(INVITE, FORM | BY_PASSWORD)

    assert (answer.status_code, answer.url) == (303, "/members/")
    assert invited() == 1


def test_signing_in_counts_for_five_minutes(sam):
    with time_machine.travel("2026-11-22T12:00:00Z", tick=False) as clock:
        client = Client()
        client.post(LOGIN, {"login": "sam@example.com", "password": PASSWORD})
        clock.shift(300)
        client.post(INVITE, FORM)
        clock.shift(1)
        page = client.post(INVITE, FORM | {"email": "max@example.com"})

    assert (invited(), page.status_code) == (1, 403)


@pytest.mark.parametrize(
    ("seconds", "count"),
    # Before it, if the process that recorded it has a clock that is ahead.
    [(-3600, 0), (-3, 0), (-2, 1), (0, 1), (300, 1), (301, 0), (3600, 0)],
)
def test_a_reauthentication_is_valid_for_five_minutes(sam, browser, seconds, count):
    with time_machine.travel("2026-11-22T12:00:00Z", tick=False) as clock:
        client = browser(sam)
        clock.shift(seconds)

        client.post(INVITE, FORM)

    assert invited() == count


def test_with_a_second_factor_the_password_is_not_enough(sam, browser):
    client = browser(sam)  # by password
    TOTP.activate(user_of(sam), SECRET)

    page = client.post(INVITE, FORM | BY_PASSWORD)
    assert (page.status_code, invited()) == (403, 0)
    assert b"reauthentication-code" in page.content
    assert b"reauthentication-password" not in page.content

    assert client.post(INVITE, FORM | by_code(current_code())).status_code == 303
    assert invited() == 1


def test_with_a_second_factor_the_library_does_not_take_the_password_either(
    sam, browser
):
    TOTP.activate(user_of(sam), SECRET)
    client = browser(sam)

    page = client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    removal = client.post("/accounts/2fa/totp/deactivate/")

    assert page.url == "/accounts/2fa/reauthenticate/"
    assert removal.status_code == 403
    assert Authenticator.objects.filter(type="totp").exists()


def test_a_sign_in_with_a_code_counts(sam):
    TOTP.activate(user_of(sam), SECRET)
    client = Client()
    client.post(LOGIN, {"login": "sam@example.com", "password": PASSWORD})
    client.post("/accounts/2fa/authenticate/", {"code": current_code()})

    assert client.post(INVITE, FORM).status_code == 303


@pytest.mark.parametrize(
    ("periods", "status"), [(-2, 403), (-1, 303), (1, 303), (2, 403)]
)
def test_a_code_is_valid_one_period_before_and_after_its_own(
    sam, browser, periods, status
):
    TOTP.activate(user_of(sam), SECRET)
    client = browser(sam, confirmed=None)

    page = client.post(INVITE, FORM | by_code(current_code(periods)))

    assert page.status_code == status


@pytest.mark.parametrize("seconds", [0, 40, 80])
def test_a_code_works_once(sam, browser, seconds):
    TOTP.activate(user_of(sam), SECRET)
    code = current_code(periods=1)  # valid for 90 seconds from now
    period_began = int(time.time()) // 30 * 30
    first = browser(sam, confirmed=None).post(INVITE, FORM | by_code(code))
    assert first.status_code == 303

    with time_machine.travel(period_began + seconds, tick=True):
        again = browser(sam, confirmed=None).post(INVITE, FORM | by_code(code))
        sign_in = Client()
        sign_in.post(LOGIN, {"login": "sam@example.com", "password": PASSWORD})
        sign_in_page = sign_in.post("/accounts/2fa/authenticate/", {"code": code})

    assert again.status_code == 403
    assert b"Incorrect code" in again.content
    assert b"Incorrect code" in sign_in_page.content


def test_too_many_answers_are_refused(sam, browser):
    client = browser(sam, confirmed=None)
    wrong = FORM | BY_PASSWORD | {"reauthentication-password": "wrong"}
    answers = [client.post(INVITE, wrong).status_code for _ in range(6)]

    page = client.post(INVITE, FORM | BY_PASSWORD)

    assert answers == [403] * 6
    assert b"Too many failed sign-ins. Try again in five minutes." in page.content
    assert invited() == 0


@pytest.mark.parametrize(
    "path",
    [
        "/accounts/2fa/totp/activate/",
        "/accounts/2fa/webauthn/add/",
        "/accounts/2fa/recovery-codes/",
    ],
)
def test_pages_that_show_a_secret_ask_before(sam, browser, path):
    RecoveryCodes.activate(user_of(sam))
    client = browser(sam, confirmed=None)

    page = client.get(path)
    answer = client.post(path, BY_PASSWORD | {"reauthentication-reading": "1"})

    assert (page.status_code, answer.status_code, answer.url) == (403, 303, path)
    assert b'href="/accounts/2fa/">Cancel' in page.content
    assert client.get(path).status_code == 200


def test_pages_that_remove_a_factor_can_be_read(sam, browser):
    TOTP.activate(user_of(sam), SECRET)

    page = browser(sam, confirmed=None).get("/accounts/2fa/totp/deactivate/")

    assert page.status_code == 200


def test_a_second_factor_is_asked_before_the_password_is_changed(sam, browser):
    TOTP.activate(user_of(sam), SECRET)
    new = {
        "oldpassword": PASSWORD,
        "password1": "another horse battery",
        "password2": "another horse battery",
    }

    page = browser(sam).post("/accounts/password/change/", new)

    assert page.status_code == 403
    assert user_of(sam).check_password(PASSWORD)


def test_staff_confirm_in_the_admin(acme, ada, browser):
    client = browser(ada, confirmed=None)
    suspend = reverse("admin:accounts_account_suspend", args=[acme.pk])

    page = client.post(suspend, {"reason": "Unpaid"})
    acme.refresh_from_db()
    assert (page.status_code, acme.is_active) == (403, True)
    assert b"Confirm to suspend Acme" in page.content

    client.post(suspend, {"reason": "Unpaid"} | BY_PASSWORD)
    acme.refresh_from_db()
    assert (acme.is_active, acme.suspension_reason) == (False, "Unpaid")


def test_a_user_without_password_and_factor_must_add_a_factor(sam, browser):
    user = User.objects.get(pk=sam.user_id)
    user.set_unusable_password()
    user.save()
    client = browser(sam)

    page, post = client.get(INVITE), client.post(INVITE, FORM)

    assert (page.status_code, post.status_code) == (200, 403)
    assert b"Set up a second factor first" in post.content
    assert Invitation.objects.count() == 0


def test_a_user_without_password_and_factor_can_add_a_factor(sam, browser):
    user = user_of(sam)
    user.set_unusable_password()
    user.save()

    page = browser(sam, confirmed=None).get("/accounts/2fa/totp/activate/")

    assert page.status_code == 200


def test_the_reauthentication_of_another_user_does_not_count(sam, eve, browser):
    client = browser(sam)
    confirm(client, eve.user_id, time.time())

    assert client.post(INVITE, FORM).status_code == 403


def test_a_wrong_password_is_noted_and_refused(acme, sam, browser, noted, last_body):
    answer = browser(sam, confirmed=None).post(
        INVITE, FORM | BY_PASSWORD | {"reauthentication-password": "wrong"}
    )

    assert (answer.status_code, invited()) == (403, 0)
    assert noted(acme) == ["user.reauthentication_failed"]
    body = last_body(acme)
    assert (body["outcome"], body["actor"]["id"]) == ("refused", sam.user_id)


def test_a_wrong_code_is_noted_too(acme, sam, browser, noted):
    TOTP.activate(user_of(sam), SECRET)

    browser(sam, confirmed=None).post(INVITE, FORM | by_code("000000"))

    assert noted(acme) == ["user.reauthentication_failed"]


@pytest.mark.parametrize("who", ["eve", "lin", "bo", "una"])
def test_a_member_without_permission_is_refused_first(request, who, browser):
    page = browser(request.getfixturevalue(who), confirmed=None).get(INVITE)

    assert page.status_code == 403
    assert b"Superusers can invite people with any role." in page.content


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
