"""Secrets in the database are encrypted, and encrypted again after a change of the key."""

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from django.core.management import CommandError, call_command

from accounts.encryption import UnreadableSecret, decrypt, encrypt
from accounts.models import User
from tests.factories.webhooks import SECRET as SIGNING_SECRET
from tests.factories.webhooks import WebhookFactory

SECRET = "JBSWY3DPEHPK3PXP"


@pytest.fixture
def user(una) -> User:
    return User.objects.get(pk=una.user_id)


def test_seeds_are_not_in_the_database_in_plain(user):
    TOTP.activate(user, SECRET)
    codes = RecoveryCodes.activate(user)

    stored = str(list(Authenticator.objects.values_list("data", flat=True)))

    assert SECRET not in stored
    assert decrypt(codes.instance.data["seed"]) not in stored
    assert len(codes.generate_codes()) == 10


def test_a_text_stored_before_encryption_is_read_as_it_is():
    assert decrypt(SECRET) == SECRET


def test_another_key_cannot_read(settings):
    stored = encrypt(SECRET)
    settings.ENCRYPTION_KEY = "another"

    with pytest.raises(UnreadableSecret):
        decrypt(stored)


def test_rotation_encrypts_all_with_the_current_key(user, settings, capsys):
    TOTP.activate(user, SECRET)
    RecoveryCodes.activate(user)
    webhook = WebhookFactory.create()
    old, settings.ENCRYPTION_KEY = settings.ENCRYPTION_KEY, "another"
    settings.ENCRYPTION_KEY_FALLBACKS = [old]

    call_command("rotate_encryption")

    settings.ENCRYPTION_KEY_FALLBACKS = []
    row = Authenticator.objects.get(type="totp")
    assert decrypt(row.data["secret"]) == SECRET
    webhook.refresh_from_db()
    assert decrypt(webhook.secret) == SIGNING_SECRET
    assert "second factors: 2, of webhooks: 1" in capsys.readouterr().out


def test_rotation_fails_without_the_earlier_key(user, settings):
    TOTP.activate(user, SECRET)
    settings.ENCRYPTION_KEY = "another"

    with pytest.raises(CommandError):
        call_command("rotate_encryption")
