"""allauth's pages of a user's own login, changed to ask in place and to record what they write."""

from ipaddress import ip_address
from typing import Any, Final

from allauth.account.internal.flows.password_reset import perform_password_reset_login
from allauth.account.views import (
    EmailView,
    PasswordChangeView,
    PasswordResetFromKeyView,
)
from allauth.mfa.base.internal.flows import post_authentication
from allauth.mfa.base.views import AuthenticateView
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.views import (
    DownloadRecoveryCodesView,
    GenerateRecoveryCodesView,
    ViewRecoveryCodesView,
)
from allauth.mfa.totp.views import ActivateTOTPView, DeactivateTOTPView
from allauth.mfa.webauthn.views import (
    AddWebAuthnView,
    EditWebAuthnView,
    RemoveWebAuthnView,
)
from allauth.usersessions.adapter import get_adapter as get_sessions_adapter
from allauth.usersessions.models import UserSession
from allauth.usersessions.views import ListUserSessionsView
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.request import split_domain_port
from django.urls import URLPattern, path, re_path, reverse

from accounts.audit.vocabulary import Event
from accounts.authentication import SAFE_METHODS
from accounts.errors import Invalid
from accounts.models import User
from accounts.reauthentication import confirm_identity, factor_required_by
from accounts.security_policy import has_second_factor
from accounts.web.allauth_adapter import ASKED, note, recorded_login_change

OTHER_SESSIONS: Final = "others"  # in place of a session's id


class _Asked:
    """A page of allauth that asks who the user is, at the change or before it shows a secret."""

    deed = ""
    shows_secret = False

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Ask unless the user was asked recently; then show the page or make the change."""
        user = request.user
        if isinstance(user, User):
            if self.shows_secret or request.method not in SAFE_METHODS:
                asked = confirm_identity(request, user, self.deed)
                if asked is not None:
                    return asked
            setattr(request, ASKED, True)
        return super().dispatch(request, *args, **kwargs)  # type: ignore[misc]  # of the view


class _Recorded(_Asked):
    """A form of allauth whose change is recorded."""

    request: Any

    def form_valid(self, form: Any) -> HttpResponse:
        """Make the change, and note it in the same transaction."""
        with recorded_login_change(self.request, self.request.user):
            response: HttpResponse = super().form_valid(form)  # type: ignore[misc]  # of the view
        return response


class _Enrolled(_Recorded):
    """A form that adds a second factor, whose use there proves who the user is."""

    factor: str

    def form_valid(self, form: Any) -> HttpResponse:
        """Add the factor, and count its use as a re-authentication by it."""
        response = super().form_valid(form)
        added = Authenticator.objects.filter(user=self.request.user, type=self.factor)
        post_authentication(self.request, added.latest("pk"))
        return response


class ActivateTotp(_Enrolled, ActivateTOTPView):  # type: ignore[misc]  # allauth has no types
    """Adds an authenticator app."""

    deed = "set up an authenticator app"
    factor = Authenticator.Type.TOTP
    shows_secret = True


class _Removed(_Recorded):
    """A form that removes a second factor."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add what requires a second factor of the user."""
        context: dict[str, Any] = super().get_context_data(**kwargs)  # type: ignore[misc]
        return context | {"required_by": factor_required_by(self.request)}


class DeactivateTotp(_Removed, DeactivateTOTPView):  # type: ignore[misc]
    """Removes the authenticator app."""

    deed = "remove the authenticator app"


class AddPasskeyView(_Enrolled, AddWebAuthnView):  # type: ignore[misc]
    """Adds a passkey."""

    deed = "add a passkey"
    factor = Authenticator.Type.WEBAUTHN
    shows_secret = True  # the challenge for the new passkey

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add whether the portal was opened by an IP address, for which browsers make no passkey."""
        name = split_domain_port(self.request.get_host())[0].strip("[]")
        context: dict[str, Any] = super().get_context_data(**kwargs)
        return context | {"is_ip_address": _is_ip_address(name)}

    def form_valid(self, form: Any) -> HttpResponse:
        """Add the passkey, and say so with its name, which the library's message lacks."""
        response = super().form_valid(form)
        messages.success(
            self.request, f"Added the passkey {form.cleaned_data['name']}."
        )
        return response


def _is_ip_address(name: str) -> bool:
    """Tell whether a host is an IP address."""
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


class RenamePasskeyView(_Recorded, EditWebAuthnView):  # type: ignore[misc]
    """Renames a passkey."""

    deed = "rename a passkey"

    def form_valid(self, form: Any) -> HttpResponse:
        """Rename the passkey, and say so."""
        response = super().form_valid(form)
        messages.success(
            self.request, f"Renamed the passkey to {form.cleaned_data['name']}."
        )
        return response


class RemovePasskeyView(_Removed, RemoveWebAuthnView):  # type: ignore[misc]
    """Removes a passkey."""

    deed = "remove a passkey"

    def form_valid(self, form: Any) -> HttpResponse:
        """Remove the passkey, and say so with its name, which the library's message lacks."""
        name = str(self.get_object())
        response = super().form_valid(form)
        messages.success(self.request, f"Removed the passkey {name}.")
        return response


class GenerateCodes(_Recorded, GenerateRecoveryCodesView):  # type: ignore[misc]
    """Generates recovery codes."""

    deed = "generate recovery codes"


class _Viewed(_Asked):
    """A page that shows the recovery codes."""

    deed = "see your recovery codes"
    shows_secret = True

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show the codes, and note that they were viewed."""
        response: HttpResponse = super().get(request, *args, **kwargs)  # type: ignore[misc]
        note(request, Event.RECOVERY_CODES_VIEWED)
        return response


class ViewCodes(_Viewed, ViewRecoveryCodesView):  # type: ignore[misc]
    """Shows the recovery codes."""


class DownloadCodes(_Viewed, DownloadRecoveryCodesView):  # type: ignore[misc]
    """Offers the recovery codes as a file."""


class PasswordChange(_Asked, PasswordChangeView):  # type: ignore[misc]
    """Changes the password: with the current one and, if there is one, the second factor."""

    deed = "change your password"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Ask for the second factor; the form asks for the current password."""
        if has_second_factor(request.user):
            return super().dispatch(request, *args, **kwargs)
        return super(_Asked, self).dispatch(request, *args, **kwargs)


class ChangeEmail(_Asked, EmailView):  # type: ignore[misc]
    """Asks for another email address, and cancels that."""

    deed = "change your email address"

    def post(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        """Make the change, and note it in the same transaction."""
        if "action_send" in request.POST:
            # Only sends the email again. Its rate limit must count, so there is no transaction.
            return super().post(request, *args, **kwargs)
        with recorded_login_change(request, request.user):
            return super().post(request, *args, **kwargs)


class Sessions(ListUserSessionsView):  # type: ignore[misc]
    """Lists the user's sessions, and ends one of them or all others."""

    def post(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        """End the session named in the form, or all others. Raises Invalid if it names neither."""
        wanted = request.POST.get("session", "")
        if not wanted:
            raise Invalid("Choose a session.", field="session")
        if wanted == OTHER_SESSIONS:
            return super().post(request, *args, **kwargs)
        rows = UserSession.objects.filter(user=request.user).exclude(
            session_key=request.session.session_key
        )
        chosen = [row for row in rows if str(row.pk) == wanted]
        if chosen:
            get_sessions_adapter().end_sessions(chosen)
            messages.success(request, "The session has ended.")
        return HttpResponseRedirect(reverse("usersessions_list"))


class SetPassword(PasswordResetFromKeyView):  # type: ignore[misc]  # allauth has no types
    """Sets a password by the link in an email; the first one of a user also signs them in."""

    @property
    def is_first(self) -> bool:
        """Return whether the user has no password yet."""
        return self.reset_user is not None and not self.reset_user.has_usable_password()

    def get_form(self, form_class: Any = None) -> Any:
        """Return the form; a user without a password has no API tokens to keep."""
        form = super().get_form(form_class)
        if self.is_first:
            form.fields.pop("keep_tokens", None)
        return form

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add whether it is the user's first password."""
        context: dict[str, Any] = super().get_context_data(**kwargs)
        return context | {"is_first": self.is_first}

    def form_valid(self, form: Any) -> HttpResponse:
        """Set the password; sign in if it is the first, which needs no email about the change."""
        user = self.reset_user
        if not self.is_first:
            response: HttpResponse = super().form_valid(form)
            return response
        form.save()
        signed_in: HttpResponse = perform_password_reset_login(
            self.request, user, email=user.email
        )
        return signed_in


class SignInByFactor(AuthenticateView):  # type: ignore[misc]  # allauth has no types
    """Asks for a second factor after the password: for the passkey first, if the user has one."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add which factors the user has."""
        context: dict[str, Any] = super().get_context_data(**kwargs)
        rows = Authenticator.objects.filter(user=self.stage.login.user)
        return context | {"factors": set(rows.values_list("type", flat=True))}


# Before allauth's own routes, with their paths and names.
urlpatterns: list[URLPattern] = [
    path("password/change/", PasswordChange.as_view(), name="account_change_password"),
    re_path(
        r"^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
        SetPassword.as_view(),
        name="account_reset_password_from_key",
    ),
    path("sessions/", Sessions.as_view(), name="usersessions_list"),
    path("email/", ChangeEmail.as_view(), name="account_email"),
    path("2fa/authenticate/", SignInByFactor.as_view(), name="mfa_authenticate"),
    path("2fa/totp/activate/", ActivateTotp.as_view(), name="mfa_activate_totp"),
    path("2fa/totp/deactivate/", DeactivateTotp.as_view(), name="mfa_deactivate_totp"),
    path("2fa/webauthn/add/", AddPasskeyView.as_view(), name="mfa_add_webauthn"),
    path(
        "2fa/webauthn/keys/<int:pk>/edit/",
        RenamePasskeyView.as_view(),
        name="mfa_edit_webauthn",
    ),
    path(
        "2fa/webauthn/keys/<int:pk>/remove/",
        RemovePasskeyView.as_view(),
        name="mfa_remove_webauthn",
    ),
    path("2fa/recovery-codes/", ViewCodes.as_view(), name="mfa_view_recovery_codes"),
    path(
        "2fa/recovery-codes/generate/",
        GenerateCodes.as_view(),
        name="mfa_generate_recovery_codes",
    ),
    path(
        "2fa/recovery-codes/download/",
        DownloadCodes.as_view(),
        name="mfa_download_recovery_codes",
    ),
]
