"""Everything about a user's own login is recorded, in each of their accounts."""

import re
import time

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, hotp_value
from allauth.usersessions.models import UserSession
from django.contrib.messages import get_messages
from django.core import mail
from django.test import Client

from accounts.audit.models import PLATFORM, AuditEvent
from accounts.commands.sign_in import recorded_login_change
from accounts.models import Membership, User
from accounts.web.mfa_forms import AddPasskey
from tests.factories import NOW
from tests.factories.accounts import PASSWORD, MembershipFactory, UserFactory
from tests.factories.sessions import confirm

SECRET = "JBSWY3DPEHPK3PXP"
LOGIN = "/accounts/login/"
ADD_PASSKEY = "/accounts/2fa/webauthn/add/"
ADD_TOTP = "/accounts/2fa/totp/activate/"


@pytest.fixture(autouse=True)
def _empty_counts(settings):
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
            "LOCATION": f"own-login-{time.monotonic_ns()}",
        }
    }


@pytest.fixture
def una_user(una) -> User:
    return User.objects.get(pk=una.user_id)


def code(secret: str = SECRET) -> str:
    return str(format_hotp_value(hotp_value(secret, int(time.time()) // 30)))


def actions(account_id: str) -> list[str]:
    events = AuditEvent.objects.filter(account_id=account_id).order_by("sequence")
    return list(events.values_list("action", flat=True))


def test_adding_and_removing_an_authenticator_app_is_noted(
    acme, una, una_user, browser, noted, last_body
):
    client = browser(una)
    client.get(ADD_TOTP)
    secret = client.session["mfa.totp.secret"]

    client.post(ADD_TOTP, {"code": code(secret)})
    assert noted(acme) == ["second_factor.enabled", "recovery_codes.generated"]

    confirm(client, una.user_id, time.time(), method="mfa")
    client.post("/accounts/2fa/totp/deactivate/")
    assert noted(acme)[2:] == ["second_factor.disabled", "recovery_codes.removed"]
    events = AuditEvent.objects.filter(
        account_id=acme.pk, action="second_factor.disabled"
    )
    assert events.get().body["after"] == {"second_factor": "authenticator app"}
    assert last_body(acme)["actor"]["id"] == una.user_id
    assert not Authenticator.objects.exists()


def test_a_wrong_code_adds_nothing_and_notes_nothing(acme, una, browser, noted):
    client = browser(una)
    client.get(ADD_TOTP)

    client.post(ADD_TOTP, {"code": "000000"})

    assert noted(acme) == []


def test_a_passkey_is_renamed_and_removed_with_entries(
    acme, una, una_user, browser, noted, last_body
):
    key = Authenticator.objects.create(
        user=una_user, type="webauthn", data={"name": "laptop", "credential": {}}
    )
    client = browser(una)
    confirm(client, una.user_id, time.time(), method="mfa")

    client.post(f"/accounts/2fa/webauthn/keys/{key.pk}/edit/", {"name": "phone"})
    assert last_body(acme)["after"] == {"second_factor": "passkey", "name": "phone"}
    removed = client.post(f"/accounts/2fa/webauthn/keys/{key.pk}/remove/", follow=True)

    assert [str(each) for each in removed.context["messages"]] == [
        "Renamed the passkey to phone.",
        "Removed the passkey phone.",
    ]
    assert noted(acme) == ["second_factor.renamed", "second_factor.disabled"]


def test_the_message_names_the_passkey_that_was_added(
    una, una_user, browser, monkeypatch
):
    # Only a browser makes a valid response.
    monkeypatch.setattr(AddPasskey, "clean", lambda form: form.cleaned_data)

    page = browser(una).post(
        ADD_PASSKEY, {"name": "<laptop>", "credential": '{"id": "x"}'}
    )

    said = [str(each) for each in get_messages(page.wsgi_request)]
    assert "Added the passkey <laptop>." in said
    assert "Added the passkey." not in said


def test_who_adds_the_first_factor_sees_the_recovery_codes_without_another_question(
    una, browser
):
    client = browser(una)
    client.get(ADD_TOTP)
    typed = {"code": code(client.session["mfa.totp.secret"])}

    page = client.post(ADD_TOTP, typed, follow=True)

    assert page.request["PATH_INFO"] == "/accounts/2fa/recovery-codes/"
    assert page.status_code == 200
    assert "unused_codes" in page.context


def test_adding_a_passkey_counts_as_its_use(una, browser, monkeypatch):
    # Only a browser makes a valid response.
    monkeypatch.setattr(AddPasskey, "clean", lambda form: form.cleaned_data)
    client = browser(una)

    page = client.post(
        ADD_PASSKEY, {"name": "laptop", "credential": '{"id": "x"}'}, follow=True
    )

    assert page.request["PATH_INFO"] == "/accounts/2fa/recovery-codes/"
    assert page.status_code == 200


def test_messages_stand_below_the_heading_of_security_pages(una, una_user, browser):
    TOTP.activate(una_user, SECRET)
    client = browser(una)
    confirm(client, una.user_id, time.time(), method="mfa")

    page = client.post("/accounts/2fa/totp/deactivate/", follow=True).content.decode()

    assert page.index("</h1>") < page.index("Removed the authenticator app.")


def test_recovery_codes_are_generated_and_viewed_with_entries(
    acme, una, una_user, browser, noted
):
    TOTP.activate(una_user, SECRET)
    client = browser(una)
    confirm(client, una.user_id, time.time(), method="mfa")

    client.post("/accounts/2fa/recovery-codes/generate/")
    assert noted(acme) == ["recovery_codes.generated"]
    page = client.get("/accounts/2fa/recovery-codes/").content.decode()
    client.get("/accounts/2fa/recovery-codes/download/")

    assert re.search(r'<pre id="recovery_codes">(\d{8}\n){9}\d{8}</pre>', page)
    assert noted(acme)[1:] == ["recovery_codes.viewed", "recovery_codes.viewed"]


def test_a_change_of_address_is_noted_when_asked_and_when_confirmed(
    acme, una, una_user, browser, noted, last_body
):
    EmailAddress.objects.create(
        user=una_user, email=una_user.email, verified=True, primary=True
    )
    client = browser(una)

    client.post("/accounts/email/", {"email": "new@example.com", "action_add": ""})
    assert noted(acme) == ["email.change_requested"]
    assert last_body(acme)["after"] == {"email": "n…@example.com"}
    link = next(
        word.partition("localhost:8000")[2]
        for word in mail.outbox[0].body.split()
        if "confirm-email" in word
    )
    Client().post(link)

    assert noted(acme)[1:] == ["email.changed"]
    assert User.objects.get(pk=una_user.pk).email == "new@example.com"


def test_the_owner_of_an_address_gets_no_link_that_confirms_it_for_another_user(
    sam, una, una_user, browser
):
    EmailAddress.objects.create(
        user=una_user, email=una_user.email, verified=True, primary=True
    )

    browser(una).post("/accounts/email/", {"email": sam.email, "action_add": ""})

    [sent] = mail.outbox
    assert sent.to == [sam.email]
    assert "you already sign in with it" in sent.body
    assert "confirm-email" not in sent.body


def test_a_pending_change_of_address_does_not_prevent_a_second_factor(
    una, una_user, browser
):
    EmailAddress.objects.create(user=una_user, email="new@example.com", verified=False)

    answer = browser(una).get("/accounts/2fa/totp/activate/")

    assert answer.status_code == 200


def test_a_cancelled_change_of_address_is_noted(acme, una, una_user, browser, noted):
    EmailAddress.objects.create(
        user=una_user, email=una_user.email, verified=True, primary=True
    )
    client = browser(una)
    client.post("/accounts/email/", {"email": "new@example.com", "action_add": ""})

    client.post("/accounts/email/", {"email": "new@example.com", "action_remove": ""})

    assert noted(acme) == ["email.change_requested", "email.change_cancelled"]


def test_wrong_codes_at_sign_in_are_noted(acme, una_user, noted):
    TOTP.activate(una_user, SECRET)
    client = Client()
    client.post(LOGIN, {"login": una_user.email, "password": PASSWORD})

    client.post("/accounts/2fa/authenticate/", {"code": "000000"})
    client.post("/accounts/2fa/authenticate/", {"credential": '{"id": "x"}'})

    assert noted(acme) == ["user.login_failed", "user.login_failed"]


def test_a_reauthentication_is_noted_with_its_method(
    acme, una, una_user, browser, noted, last_body
):
    TOTP.activate(una_user, SECRET)

    browser(una, confirmed=None).post("/accounts/2fa/reauthenticate/", {"code": code()})

    assert noted(acme) == ["user.reauthenticated"]
    assert last_body(acme)["auth"]["method"] == "totp"


def test_a_wrong_current_password_is_noted(acme, una, browser, noted):
    browser(una).post(
        "/accounts/password/change/",
        {"oldpassword": "wrong", "password1": "x" * 20, "password2": "x" * 20},
    )

    assert noted(acme) == ["user.reauthentication_failed"]


def test_ended_sessions_are_noted_one_by_one(acme, una, una_user, noted):
    browsers = [Client(), Client(), Client()]
    for each in browsers:
        each.post(LOGIN, {"login": una_user.email, "password": PASSWORD})

    browsers[0].post("/accounts/sessions/", {"session": "others"})

    assert noted(acme)[3:] == ["session.ended", "session.ended"]
    assert UserSession.objects.count() == 1
    assert browsers[1].get("/members/").status_code == 302


def test_each_account_of_the_person_has_the_entry(acme, globex, una, una_user, noted):
    MembershipFactory.create(account=globex, user=una_user)

    Client().post(LOGIN, {"login": una_user.email, "password": PASSWORD})

    assert (noted(acme), noted(globex)) == (["user.logged_in"], ["user.logged_in"])


@pytest.mark.parametrize("is_staff", [True, False])
def test_without_an_account_the_platforms_trail_has_the_entries(db, is_staff):
    UserFactory.create(name="Noah", is_staff=is_staff)
    client = Client()

    client.post(LOGIN, {"login": "noah@example.com", "password": "wrong"})
    client.post(LOGIN, {"login": "noah@example.com", "password": PASSWORD})
    client.post("/accounts/logout/")

    assert actions(PLATFORM) == [
        "user.login_failed",
        "user.logged_in",
        "user.logged_out",
    ]


def test_the_change_is_undone_if_it_fails(una, una_user):
    def fail_halfway() -> None:
        with recorded_login_change(una, user=una_user, now=NOW):
            Authenticator.objects.create(user=una_user, type="totp", data={})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_halfway()

    assert not Authenticator.objects.exists()


def test_a_suspended_account_records_the_login_too(acme, una_user, noted):
    acme.suspended_at, acme.suspension_reason = NOW, "Unpaid"
    acme.save()

    Client().post(LOGIN, {"login": una_user.email, "password": PASSWORD})

    assert noted(acme) == ["user.logged_in"]


def test_a_session_of_a_removed_member_still_signs_out_with_an_entry(
    acme, una, browser
):
    client = browser(una)
    Membership.objects.filter(user_id=una.user_id).delete()
    confirm(client, una.user_id, time.time())

    client.post("/accounts/logout/")

    assert actions(PLATFORM) == ["user.logged_out"]


def test_one_session_is_ended_and_the_others_stay(acme, una, una_user, noted):
    first, second, third = Client(), Client(), Client()
    for each in (first, second, third):
        each.post(LOGIN, {"login": una_user.email, "password": PASSWORD})
    row = UserSession.objects.get(session_key=second.session.session_key)

    first.post("/accounts/sessions/", {"session": row.pk})

    assert second.get("/members/").status_code == 302
    assert third.get("/members/").status_code == 200
    assert noted(acme)[3:] == ["session.ended"]


@pytest.mark.parametrize(("form", "status"), [({}, 400), ({"session": "x"}, 303)])
def test_a_form_that_names_no_session_ends_none(acme, una, noted, form, status):
    first, second = Client(), Client()
    for each in (first, second):
        each.post(LOGIN, {"login": "una@example.com", "password": PASSWORD})

    answer = first.post("/accounts/sessions/", form)

    assert answer.status_code == status
    assert second.get("/members/").status_code == 200
    assert "session.ended" not in noted(acme)


def test_the_session_of_another_person_is_not_ended(una, sam, noted, acme):
    mine, other = Client(), Client()
    mine.post(LOGIN, {"login": "una@example.com", "password": PASSWORD})
    other.post(LOGIN, {"login": "sam@example.com", "password": PASSWORD})
    row = UserSession.objects.get(session_key=other.session.session_key)

    mine.post("/accounts/sessions/", {"session": row.pk})

    assert other.get("/members/").status_code == 200
    assert "session.ended" not in noted(acme)


@pytest.mark.parametrize(
    ("host", "offered"), [("127.0.0.1:8000", False), ("localhost:8000", True)]
)
def test_a_passkey_is_offered_only_at_a_host_name(sam, browser, host, offered):
    page = browser(sam).get("/accounts/2fa/webauthn/add/", headers={"Host": host})

    shown = page.content.decode()
    assert page.status_code == 200
    assert ("Add the passkey" in shown) is offered
    assert ("only for a host name" in shown) is not offered
