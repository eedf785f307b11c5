"""Creating a token with a password: re-authentication, rate limits, noted failures."""

import base64
import time

import pytest
import time_machine
from allauth.account.models import EmailAddress
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import (
    TOTP,
    format_hotp_value,
    generate_totp_secret,
    hotp_value,
)
from django.core.cache import cache
from django.test import Client

from accounts.api.sudo import CredentialsRefused
from accounts.audit.models import AuditEvent
from accounts.models import ApiToken, User
from tests.factories.accounts import PASSWORD, AccountFactory, MembershipFactory
from tests.factories.keys import FORM, client_of
from tests.factories.services import ServiceFactory

LOGIN = f"username=eve@example.com&password={PASSWORD}".replace(" ", "+")


@pytest.fixture(autouse=True)
def _forget_tries():
    cache.clear()


@pytest.fixture(autouse=True)
def person(eve):
    """Return Eve, whose address is proved."""
    user = User.objects.get(pk=eve.user_id)
    EmailAddress.objects.create(
        user=user, email=user.email, primary=True, verified=True
    )
    return user


def basic(name, password):
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def test_a_token_is_created_after_sudo_and_shown_once(eve, acme, time_machine):
    time_machine.move_to("2026-11-22T12:00:00Z", tick=False)
    api = Client()

    sudo = api.post("/api/sudo", LOGIN, FORM)
    made = api.post(
        "/api/tokens", f"{LOGIN}&name=ci&scope=global:read&expires_at=", FORM
    )

    assert (sudo.status_code, sudo.json()) == (
        200,
        {"expiry_time": "2026-11-22T12:05:00+00:00"},
    )
    row = ApiToken.objects.get()
    body = made.json()
    secret = body.pop("access_token")
    assert made.status_code == 200
    assert body == {
        "id": row.pk,
        "user_id": eve.user_id,
        "customer_id": acme.pk,
        "name": "ci",
        "scope": "global:read",
        "scopes": ["global:read"],
        "services": [],
        "service_id": None,
        "created_at": "2026-11-22T12:00:00Z",
        "updated_at": "2026-11-22T12:00:00Z",
        "sudo_expires_at": None,
        "expires_at": "2027-11-23T12:00:00Z",
        "ip": "127.0.0.1",
    }
    with_it = Client(headers={"Fastly-Key": secret})
    assert with_it.get("/api/tokens/self").json()["id"] == row.pk
    assert "access_token" not in with_it.get("/api/tokens/self").json()
    assert [event.action for event in AuditEvent.objects.all()] == ["token.issued"]


def test_fastly_py_sends_json_to_sudo_and_basic_for_the_token():
    api = Client()
    sent = {"username": "eve@example.com", "password": PASSWORD}

    sudo = api.post("/api/sudo", sent, "application/json")
    made = api.post(
        "/api/tokens",
        "",
        FORM,
        headers={"Authorization": basic("eve@example.com", PASSWORD)},
    )

    assert (sudo.status_code, made.status_code) == (200, 200)
    assert made.json()["scope"] == "global"


def test_a_token_identifies_its_owner(eve):
    api = client_of(eve)

    answer = api.post("/api/sudo", {"password": PASSWORD}, "application/json")

    assert answer.status_code == 200


def test_without_sudo_there_is_no_token(time_machine):
    api = Client()
    time_machine.move_to("2026-11-22T12:00:00Z", tick=False)
    never = api.post("/api/tokens", LOGIN, FORM)
    api.post("/api/sudo", LOGIN, FORM)
    time_machine.move_to("2026-11-22T12:05:01Z", tick=False)

    late = api.post("/api/tokens", LOGIN, FORM)

    assert (never.status_code, late.status_code) == (403, 403)
    assert late.json() == {
        "msg": "You are not authorized to perform this action",
        "detail": "Authenticate with POST /api/sudo first. It is valid for five minutes.",
    }
    assert not ApiToken.objects.exists()


def test_sudo_of_a_process_whose_clock_is_ahead_is_not_valid(time_machine):
    api = Client()
    time_machine.move_to("2026-11-22T13:00:00Z", tick=False)
    api.post("/api/sudo", LOGIN, FORM)
    time_machine.move_to("2026-11-22T12:00:00Z", tick=False)

    answer = api.post("/api/tokens", LOGIN, FORM)

    assert answer.status_code == 403
    assert not ApiToken.objects.exists()


@pytest.mark.parametrize("path", ["/api/sudo", "/api/tokens"])
@pytest.mark.parametrize(
    ("body", "header"),
    [
        ("", ""),
        ("username=eve@example.com", ""),
        ("username=eve@example.com&password=wrong", ""),
        ("username=noah@example.com&password=wrong", ""),
        ("", "Basic Og=="),
        ("", "Basic %%%"),
        ("", basic("eve@example.com", "wrong")),
    ],
)
def test_a_wrong_password_is_refused(path, body, header):
    Client().post("/api/sudo", LOGIN, FORM)

    answer = Client().post(path, body, FORM, headers={"Authorization": header})

    assert answer.status_code == 401
    assert answer.json() == {
        "msg": "Provided credentials are missing or invalid",
        "detail": CredentialsRefused.default_detail,
    }
    assert not ApiToken.objects.exists()


def test_a_wrong_password_is_noted():
    Client().post("/api/sudo", "username=eve@example.com&password=wrong", FORM)

    (event,) = AuditEvent.objects.all()
    assert (event.action, event.outcome) == ("user.login_failed", "refused")


def test_the_password_of_another_user_than_the_token_is_refused(sam):
    answer = client_of(sam).post("/api/sudo", LOGIN, FORM)

    assert answer.status_code == 401


def test_attempts_are_limited_even_for_the_right_password():
    api = Client()
    for _ in range(5):
        api.post("/api/sudo", "username=eve@example.com&password=wrong", FORM)

    answer = api.post("/api/sudo", LOGIN, FORM)

    assert (answer.status_code, answer.json()) == (429, {"msg": "Too many requests"})


def test_a_user_with_a_second_factor_sends_a_code(person):
    TOTP.activate(person, generate_totp_secret())
    code, another = RecoveryCodes.activate(person).generate_codes()[:2]
    api = Client()

    without = api.post("/api/sudo", LOGIN, FORM)
    wrong = api.post("/api/sudo", LOGIN, FORM, headers={"Fastly-OTP": "000000"})
    early = api.post("/api/tokens", LOGIN, FORM)
    right = api.post("/api/sudo", LOGIN, FORM, headers={"Fastly-OTP": code})
    by_password = api.post("/api/tokens", LOGIN, FORM)
    made = api.post("/api/tokens", LOGIN, FORM, headers={"Fastly-OTP": another})

    answers = [without, wrong, early, right, by_password, made]
    assert [each.status_code for each in answers] == [403, 403, 403, 200, 403, 200]
    assert wrong.json()["detail"] == (
        "Send a code from your second factor in the Fastly-OTP header."
    )


def test_a_code_works_once(person):
    secret = generate_totp_secret()
    TOTP.activate(person, secret)
    next_period = int(time.time()) // 30 + 1
    code = {"Fastly-OTP": format_hotp_value(hotp_value(secret, next_period))}

    first = Client().post("/api/sudo", LOGIN, FORM, headers=code)
    with time_machine.travel(next_period * 30 + 40, tick=True):
        second = Client().post("/api/sudo", LOGIN, FORM, headers=code)

    assert (first.status_code, second.status_code) == (200, 403)


def test_a_second_factor_is_required_if_the_operator_says_so(sam, settings):
    settings.SECOND_FACTOR_REQUIRED = True
    user = User.objects.get(pk=sam.user_id)
    EmailAddress.objects.create(
        user=user, email=user.email, primary=True, verified=True
    )

    answer = Client().post("/api/sudo", LOGIN.replace("eve", "sam"), FORM)

    assert answer.status_code == 403
    assert answer.json()["detail"] == "Add a second factor in the portal first."


@pytest.mark.parametrize(
    "form",
    ["scope=all", "services[]=x", "expires_at=2020-01-01T00:00:00Z", "expires_at=soon"],
)
def test_an_invalid_token_request_is_a_400(form):
    api = Client()
    api.post("/api/sudo", LOGIN, FORM)

    answer = api.post("/api/tokens", f"{LOGIN}&name=ci&{form}", FORM)

    assert answer.status_code == 400
    assert not ApiToken.objects.exists()


def test_reading_tokens_requires_a_token():
    assert Client().get("/api/tokens").status_code == 401


def test_sudo_is_valid_for_the_token_that_it_was_sent_with(eve, person):
    with_token = client_of(eve)

    with_token.post("/api/sudo", LOGIN, FORM)
    elsewhere = Client().post("/api/tokens", LOGIN, FORM)
    other_token = client_of(eve).post("/api/tokens", LOGIN, FORM)
    same_token = with_token.post("/api/tokens", LOGIN, FORM)

    answers = [elsewhere, other_token, same_token]
    assert [each.status_code for each in answers] == [403, 403, 200]


@pytest.fixture
def two_accounts(person, globex):
    """Return Eve's second account."""
    MembershipFactory.create(account=globex, user=person, role="user")
    Client().post("/api/sudo", LOGIN, FORM)
    return globex


def test_without_a_choice_a_user_of_several_accounts_gets_their_ids(two_accounts, acme):
    response = Client(headers={"Accept": "application/problem+json"}).post(
        "/api/tokens", LOGIN, FORM
    )

    assert response.status_code == 400
    assert response.json()["code"] == "account_not_chosen"
    assert f"{acme.name} ({acme.pk})" in response.json()["detail"]
    assert f"{two_accounts.name} ({two_accounts.pk})" in response.json()["detail"]
    assert not ApiToken.objects.exists()


def test_a_user_of_several_accounts_chooses_one_by_field(two_accounts):
    made = Client().post("/api/tokens", f"{LOGIN}&customer_id={two_accounts.pk}", FORM)

    assert made.json()["customer_id"] == two_accounts.pk


def test_the_account_can_be_added_to_the_email(two_accounts):
    login = LOGIN.replace("example.com", f"example.com/{two_accounts.pk}")
    sudo = Client().post("/api/sudo", login, FORM)
    made = Client().post("/api/tokens", login, FORM)

    assert sudo.status_code == 200
    assert made.json()["customer_id"] == two_accounts.pk


def test_the_account_can_be_added_to_the_name_of_http_basic(two_accounts):
    name = f"eve@example.com/{two_accounts.pk}"
    header = {"Authorization": basic(name, PASSWORD)}

    made = Client().post("/api/tokens", "", FORM, headers=header)

    assert made.json()["customer_id"] == two_accounts.pk


def test_a_token_is_made_in_the_account_of_the_request_s_token(two_accounts, eve, acme):
    api = client_of(eve)
    api.post("/api/sudo", LOGIN, FORM)

    assert api.post("/api/tokens", LOGIN, FORM).json()["customer_id"] == acme.pk


def test_an_account_that_the_user_is_not_in_is_refused(two_accounts):
    other = AccountFactory.create()

    made = Client().post("/api/tokens", f"{LOGIN}&customer_id={other.pk}", FORM)

    assert made.status_code == 400
    assert not ApiToken.objects.exists()


@pytest.mark.parametrize(
    "services",
    ["services[]={0}&services[]={1}", "services={0},{1}", 'services=["{0}","{1}"]'],
)
def test_a_token_takes_a_list_in_each_form_of_the_clients(acme, eve, shop, services):
    blog = ServiceFactory.create(account=acme, name="blog")
    api = Client()
    api.post("/api/sudo", LOGIN, FORM)

    answer = api.post(
        "/api/tokens", f"{LOGIN}&{services.format(shop.pk, blog.pk)}", FORM
    )

    assert set(answer.json()["services"]) == {shop.pk, blog.pk}


@pytest.mark.parametrize("services", ['["', "[1]", "[" * 9999])
def test_a_token_takes_no_other_list(eve, services):
    api = Client()
    api.post("/api/sudo", LOGIN, FORM)

    answer = api.post("/api/tokens", f"{LOGIN}&services={services}", FORM)

    assert answer.status_code == 400
    assert not ApiToken.objects.exists()
