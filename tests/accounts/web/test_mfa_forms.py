"""What a browser says of a passkey, when it is no browser that says it."""

import pytest
from django.test import Client

JUNK = ["9" * 5000, "[" * 100_000, "{", '"x"', "[1]", '{"id": "a", "response": 1}']


@pytest.mark.django_db
@pytest.mark.parametrize("credential", JUNK)
def test_junk_in_place_of_a_passkey_signs_nobody_in(credential):
    client = Client()

    answer = client.post("/accounts/2fa/webauthn/login/", {"credential": credential})

    assert answer.status_code == 302
    assert "_auth_user_id" not in client.session


@pytest.mark.django_db
@pytest.mark.parametrize("credential", JUNK)
def test_junk_in_place_of_a_passkey_enrols_none(sam, browser, credential):
    answer = browser(sam).post(
        "/accounts/2fa/webauthn/add/", {"credential": credential, "name": "mine"}
    )

    assert answer.status_code == 200
    assert b"authenticator" not in answer.headers.get("Location", "").encode()
