"""Codes of second factors work once, also while the clock of an authenticator app differs.

So that a code typed at the end of its 30 seconds is accepted, the codes of the periods before and
after are valid too (RFC 6238, 5.2). allauth remembers a used code for one period only.
"""

from typing import Any, Final

from allauth.core.internal.cryptokit import normalize_user_code
from allauth.mfa import app_settings
from allauth.mfa.adapter import get_adapter
from django import forms
from django.core.cache import cache

from accounts.models import User

VALID_SECONDS: Final = app_settings.TOTP_PERIOD * (2 * app_settings.TOTP_TOLERANCE + 1)


def use_code(user: User, code: str) -> bool:
    """Mark a valid code as used; return False if the user has used it before."""
    key = f"used-code:{user.pk}:{normalize_user_code(code)}"
    return cache.add(key, 1, VALID_SECONDS)


class CodeWorksOnce(forms.Form):
    """Mixed into allauth's forms that accept a code."""

    user: User
    authenticator: Any

    def clean_code(self) -> Any:
        """Return the code; raises ValidationError for a wrong one, and for one that was used."""
        code = super().clean_code()  # type: ignore[misc]  # of allauth's form
        if not use_code(self.user, code):
            self._emit_authentication_failed(self.authenticator)  # type: ignore[attr-defined]
            raise get_adapter().validation_error("incorrect_code")
        return code
