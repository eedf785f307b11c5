"""allauth's forms for second factors, where the trail is to know more than they tell."""

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
    """Confirms who somebody is by a code, and notes a wrong one."""

    def _emit_authentication_failed(self, authenticator: Any) -> None:
        super()._emit_authentication_failed(authenticator)
        note_failure(context.request, Event.USER_REAUTHENTICATION_FAILED)


# What allauth's reader of passkeys raises for an object that is no answer of a browser's.
UNREADABLE = (KeyError, TypeError, ValueError, AttributeError, RecursionError, error)
NO_PASSKEY = "This is not what a passkey answers."


class Credential(forms.JSONField):
    """What a browser says of a passkey; what cannot be read of it is wrong, and no fault of ours."""

    def to_python(self, value: Any) -> Any:
        """Return the object; raise ValidationError also for numbers and nesting without end."""
        try:
            return super().to_python(value)
        except UNREADABLE as fault:
            raise forms.ValidationError(NO_PASSKEY) from fault

    def bound_data(self, data: Any, initial: Any) -> Any:
        """Return what the form shows again: nothing of what cannot be read."""
        try:
            return super().bound_data(data, initial)
        except UNREADABLE:
            return initial


class AddPasskey(AddWebAuthnForm):  # type: ignore[misc]  # allauth has no types
    """Enrols a passkey."""

    credential = Credential(widget=forms.HiddenInput)

    def clean(self) -> Any:
        """Check the passkey; raise ValidationError for an object that is none."""
        try:
            return super().clean()
        except UNREADABLE as fault:
            raise forms.ValidationError(NO_PASSKEY) from fault


class _Answered(forms.Form):
    """A form that a passkey answers."""

    def clean_credential(self) -> Any:
        """Return who answered; raise ValidationError for an object that is no answer."""
        try:
            return super().clean_credential()  # type: ignore[misc]  # allauth's, beside this one
        except UNREADABLE as fault:
            raise forms.ValidationError(NO_PASSKEY) from fault


class SignInByPasskey(_Answered, LoginWebAuthnForm):  # type: ignore[misc]  # allauth has no types
    """Signs in by a passkey."""

    credential = Credential(widget=forms.HiddenInput)


class ReauthenticateByPasskey(_Answered, ReauthenticateWebAuthnForm):  # type: ignore[misc]
    """Confirms who somebody is by a passkey."""

    credential = Credential(widget=forms.HiddenInput)


class AuthenticateByPasskey(_Answered, AuthenticateWebAuthnForm):  # type: ignore[misc]
    """Finishes a sign-in by a passkey after the password."""

    credential = Credential(widget=forms.HiddenInput)
