"""The sign-in library's messages and emails are replaced by Tollgate's."""

from pathlib import Path
from typing import Final

import allauth
import pytest
from django.conf import settings
from django.template.loader import get_template

LIBRARY: Final = Path(allauth.__file__).parent / "templates"
OWN_TEMPLATES: Final = settings.BASE_DIR / "templates"
APPS: Final = ("account", "mfa", "usersessions")
# Of features that are off: sign-up, phone numbers, codes by email.
NOT_SENT: Final = {
    "account/email/account_already_exists_message.txt",
    "account/email/account_already_exists_subject.txt",
    "account/email/email_confirmation_signup_message.txt",
    "account/email/email_confirmation_signup_subject.txt",
    "account/email/login_code_message.txt",
    "account/email/login_code_subject.txt",
    "account/email/password_reset_code_message.txt",
    "account/email/password_reset_code_subject.txt",
    "account/messages/login_code_sent.txt",
    "account/messages/phone_verification_sent.txt",
    "account/messages/phone_verified.txt",
}


def names_below(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for app in APPS
        for kind in ("messages", "email")
        for path in (folder / app / kind).glob("*.txt")
    }


def test_every_message_and_email_that_is_sent_has_our_text():
    assert names_below(LIBRARY) - names_below(OWN_TEMPLATES) == NOT_SENT


@pytest.mark.parametrize("name", sorted(names_below(OWN_TEMPLATES)))
def test_the_text_is_that_of_the_page_or_email(name):
    found = get_template(name)
    text = found.render({"email": "a&b@example.com", "activate_url": "http://x/?a&b"})

    assert found.origin.name == str(OWN_TEMPLATES / name)
    assert "&amp;" not in text
    assert "ecurity key" not in text
    assert "uccessfully" not in text
