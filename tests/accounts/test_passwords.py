"""Passwords that can be guessed are refused, others accepted."""

import pytest
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from accounts.models import User


@pytest.mark.parametrize(
    "password",
    [
        "tollgate2026",
        "websockets1234",
        "aaaaaaaaaaaa",
        "Welcome12345",
        "qwertyuiop123",
        "Password123!",
        "abcabcabcabc",
        "123456789012",
        "maria.lopez2026",
        "acmeacmeacme",
    ],
)
def test_passwords_that_can_be_guessed_are_refused(password):
    user = User(name="Maria Lopez", email="maria.lopez@acme.example")

    with pytest.raises(ValidationError):
        validate_password(password, user)


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery staple",
        "quiet harbour violet 41",
        "xK9#vLq2!mRt",
        "löwe-wolke-fahrrad",
        "a" * 20 + " 7 different words follow here " + "é" * 300,
    ],
)
def test_other_passwords_are_accepted(password):
    validate_password(password, User(name="Maria", email="maria@acme.example"))


def test_the_name_of_the_account_is_a_context_word(acme, una):
    with pytest.raises(ValidationError):
        validate_password("acmeacme2026", User.objects.get(pk=una.user_id))
