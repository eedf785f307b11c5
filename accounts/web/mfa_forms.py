"""allauth's forms for passwords and second factors; they note failures and refuse bad input."""

from collections.abc import Mapping
from struct import error
from typing import Any, ClassVar

from allauth.account.forms import (
    ChangePasswordForm,
    LoginForm,
    ReauthenticateForm,
    ResetPasswordForm,
    ResetPasswordKeyForm,
)
from allauth.core import context
from allauth.mfa.base.forms import AuthenticateForm
from allauth.mfa.base.forms import ReauthenticateForm as CodeForm
from allauth.mfa.totp.forms import ActivateTOTPForm
from allauth.mfa.webauthn.forms import (
    AddWebAuthnForm,
    AuthenticateWebAuthnForm,
    LoginWebAuthnForm,
    ReauthenticateWebAuthnForm,
)
from django import forms

from accounts.audit.vocabulary import Event
from accounts.models import User
from accounts.one_time_codes import CodeWorksOnce
from accounts.passwords import HELP_TEXT
from accounts.web.allauth_adapter import note_failure

# What allauth's parser of passkeys raises for an object that no browser sends.
UNREADABLE = (KeyError, TypeError, ValueError, AttributeError, RecursionError, error)
TOO_MANY_ATTEMPTS = "too_many_login_attempts"  # allauth's code
INVALID_PASSKEY = "The passkey's response is not valid."


class Credential(forms.JSONField):
    """A browser's response of a passkey; malformed input is invalid instead of a server error."""

    def to_python(self, value: Any) -> Any:
        """Return the object; raises ValidationError also for huge numbers and deep nesting."""
        try:
            return super().to_python(value)
        except UNREADABLE as fault:
            raise forms.ValidationError(INVALID_PASSKEY) from fault

    def bound_data(self, data: Any, initial: Any) -> Any:
        """Return what the form shows again; nothing of malformed input."""
        try:
            return super().bound_data(data, initial)
        except UNREADABLE:
            return initial


class AddPasskey(AddWebAuthnForm):  # type: ignore[misc]  # allauth has no types
    """Adds a passkey."""

    credential = Credential(widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "passwordless" in self.fields:
            self.fields["passwordless"].label = "Sign in without a password"
            self.fields[
                "passwordless"
            ].help_text = "Your device then asks each time, for example for a PIN or a fingerprint."

    def clean(self) -> Any:
        """Check the passkey; raises ValidationError for a malformed object."""
        try:
            return super().clean()
        except UNREADABLE as fault:
            raise forms.ValidationError(INVALID_PASSKEY) from fault


class _PasskeyForm(forms.Form):
    """A form with the response of a passkey; a wrong one of a known user is noted."""

    user: Any
    reauthenticated: bool

    def clean_credential(self) -> Any:
        """Return the passkey that responded; raises ValidationError for a malformed object."""
        try:
            return super().clean_credential()  # type: ignore[misc]  # of allauth's form
        except forms.ValidationError as refusal:
            # After too many attempts a further one is not noted, so that the trail stays short.
            if refusal.code != TOO_MANY_ATTEMPTS:
                self._note_failure()
            raise
        except UNREADABLE as fault:
            self._note_failure()
            raise forms.ValidationError(INVALID_PASSKEY) from fault

    def _note_failure(self) -> None:
        if isinstance(self.user, User):
            event = (
                Event.USER_REAUTHENTICATION_FAILED
                if self.reauthenticated
                else Event.USER_LOGIN_FAILED
            )
            note_failure(context.request, self.user, event)


class SignInByPasskey(_PasskeyForm, LoginWebAuthnForm):  # type: ignore[misc]  # allauth has no types
    """Signs in by a passkey."""

    credential = Credential(widget=forms.HiddenInput)


class ReauthenticateByPasskey(_PasskeyForm, ReauthenticateWebAuthnForm):  # type: ignore[misc]
    """Re-authenticates by a passkey."""

    credential = Credential(widget=forms.HiddenInput)


class AuthenticateByPasskey(_PasskeyForm, AuthenticateWebAuthnForm):  # type: ignore[misc]
    """Completes a sign-in by a passkey after the password."""

    credential = Credential(widget=forms.HiddenInput)


class _OwnLabels(forms.Form):
    """Has the labels of this portal in place of the library's, and no placeholders that repeat them."""

    labels: ClassVar[Mapping[str, str]] = {
        "oldpassword": "Current password",
        "password1": "New password",
        "password2": "Repeat new password",
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            field.label = self.labels.get(name, field.label)
            field.widget.attrs.pop("placeholder", None)
        if "password1" in self.fields:
            self.fields["password1"].help_text = HELP_TEXT


class SignIn(_OwnLabels, LoginForm):  # type: ignore[misc]  # allauth has no types
    """Signs in with a password."""


class RequestReset(_OwnLabels, ResetPasswordForm):  # type: ignore[misc]  # allauth has no types
    """Sends a link that sets a new password."""


class Reauthenticate(_OwnLabels, ReauthenticateForm):  # type: ignore[misc]  # allauth has no types
    """Confirms with the password that it is still the same user."""


class ResetPassword(_OwnLabels, ResetPasswordKeyForm):  # type: ignore[misc]  # allauth has no types
    """Sets a password by the link in an email, and asks whether API tokens are kept."""

    keep_tokens = forms.BooleanField(
        label="Keep my API tokens",
        required=False,
        help_text="Otherwise they are revoked. Keep them only if no one else can know them.",
    )


class ChangePassword(_OwnLabels, ChangePasswordForm):  # type: ignore[misc]  # allauth has no types
    """Changes the password, and notes a wrong current one."""

    end_tokens = forms.BooleanField(label="Revoke my API tokens too", required=False)

    def clean_oldpassword(self) -> Any:
        """Return the current password; raises ValidationError for a wrong one."""
        try:
            return super().clean_oldpassword()
        except forms.ValidationError:
            note_failure(context.request, self.user, Event.USER_REAUTHENTICATION_FAILED)
            raise


class ActivateApp(_OwnLabels, ActivateTOTPForm):  # type: ignore[misc]  # allauth has no types
    """Adds an authenticator app."""


class EnterCode(CodeWorksOnce, _OwnLabels, AuthenticateForm):  # type: ignore[misc]  # allauth has no types
    """Completes a sign-in by a code."""


class ReauthenticateByCode(CodeWorksOnce, _OwnLabels, CodeForm):  # type: ignore[misc]
    """Re-authenticates by a code."""
