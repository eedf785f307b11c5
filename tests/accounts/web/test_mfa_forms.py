"""Malformed responses of passkeys."""

import re

import pytest
from django.test import Client

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

    for label in ("Current password", "New password", "New password (again)"):
        assert re.search(rf"<label[^>]*>\s*{re.escape(label)}\s*</label>", page)
    assert "New Password" not in page


@pytest.mark.django_db
@pytest.mark.parametrize("page", ["/accounts/login/", "/accounts/password/reset/"])
def test_no_placeholder_repeats_a_label(page):
    assert b"placeholder=" not in Client().get(page).content
