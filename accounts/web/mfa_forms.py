"""allauth's forms for second factors, changed to note failures and to reject malformed input."""

from struct import error
from typing import Any

from allauth.core import context
from allauth.mfa.base.forms import ReauthenticateForm
from allauth.mfa.webauthn.forms import (
    AddWebAuthnForm,
    AuthenticateWebAuthnForm,
    LoginWebAuthnForm,
    ReauthenticateWebAuthnForm,
)
from django import forms

from accounts.audit.vocabulary import Event
from accounts.web.allauth_adapter import note_failure


class ReauthenticateByCode(ReauthenticateForm):  # type: ignore[misc]  # allauth has no types
    """Re-authenticates by a code, and notes a wrong one."""

    def _emit_authentication_failed(self, authenticator: Any) -> None:
        super()._emit_authentication_failed(authenticator)
        note_failure(context.request, Event.USER_REAUTHENTICATION_FAILED)


# What allauth's parser of passkeys raises for an object that no browser sends.
UNREADABLE = (KeyError, TypeError, ValueError, AttributeError, RecursionError, error)
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

    def clean(self) -> Any:
        """Check the passkey; raises ValidationError for a malformed object."""
        try:
            return super().clean()
        except UNREADABLE as fault:
            raise forms.ValidationError(INVALID_PASSKEY) from fault


class _PasskeyForm(forms.Form):
    """A form with the response of a passkey."""

    def clean_credential(self) -> Any:
        """Return the passkey that responded; raises ValidationError for a malformed object."""
        try:
            return super().clean_credential()  # type: ignore[misc]  # of allauth's form
        except UNREADABLE as fault:
            raise forms.ValidationError(INVALID_PASSKEY) from fault


class SignInByPasskey(_PasskeyForm, LoginWebAuthnForm):  # type: ignore[misc]  # allauth has no types
    """Signs in by a passkey."""

    credential = Credential(widget=forms.HiddenInput)


class ReauthenticateByPasskey(_PasskeyForm, ReauthenticateWebAuthnForm):  # type: ignore[misc]
    """Re-authenticates by a passkey."""

    credential = Credential(widget=forms.HiddenInput)


class AuthenticateByPasskey(_PasskeyForm, AuthenticateWebAuthnForm):  # type: ignore[misc]
    """Completes a sign-in by a passkey after the password."""

    credential = Credential(widget=forms.HiddenInput)
