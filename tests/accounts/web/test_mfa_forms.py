"""Malformed responses of passkeys, and the texts of the library's forms."""

import re

import pytest
from django.test import Client

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
LIBRARY_TEXTS = (
    "placeholder=",
    "Master key",
    "asswordless operation",
    "too similar",
    "New Password",
)
MALFORMED = ["9" * 5000, "[" * 50_000, "{", '"x"', "[1]", '{"id": "a", "response": 1}']


@pytest.mark.django_db
@pytest.mark.parametrize("credential", MALFORMED)
def test_a_malformed_passkey_signs_no_one_in(credential):
    client = Client()

    answer = client.post("/accounts/2fa/webauthn/login/", {"credential": credential})

    assert answer.status_code == 303
    assert "_auth_user_id" not in client.session


@pytest.mark.django_db
@pytest.mark.parametrize("credential", MALFORMED)
def test_a_malformed_passkey_is_not_added(sam, browser, credential):
    answer = browser(sam).post(
        "/accounts/2fa/webauthn/add/", {"credential": credential, "name": "mine"}
    )

    assert answer.status_code == 200
    assert b"authenticator" not in answer.headers.get("Location", "").encode()


@pytest.mark.django_db
def test_labels_of_passwords_are_in_sentence_case(sam, browser):
    page = browser(sam).get("/accounts/password/change/").content.decode()

    for label in ("Current password", "New password", "Repeat new password"):
        assert re.search(rf"<label[^>]*>\s*{re.escape(label)}\s*</label>", page)
    assert "New Password" not in page


@pytest.mark.django_db
@pytest.mark.parametrize(
    "page",
    [
        "/accounts/2fa/totp/activate/",
        "/accounts/2fa/webauthn/add/",
        "/accounts/login/",
        "/accounts/password/change/",
        "/accounts/password/reset/",
    ],
)
def test_the_forms_have_none_of_the_librarys_texts(sam, browser, page):
    client = Client() if "reset" in page or "login" in page else browser(sam)

    text = (
        client.get(page, headers={"user-agent": FIREFOX})
        .content.decode()
        .partition("<main")[2]
    )

    assert [each for each in LIBRARY_TEXTS if each in text] == []
    assert ('value="Firefox on Linux"' in text) is ("webauthn" in page)
