"""Adapts allauth's sign-in: no sign-up, attempts counted per user, everything recorded."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.contrib.auth.base_user import AbstractBaseUser
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from accounts.actor import Interface
from accounts.audit.vocabulary import Event
from accounts.authentication import (
    context_of,
    current_membership,
    memberships_by_name,
    user_actor,
)
from accounts.commands import sign_in
from accounts.commands.users import user_with_email
from accounts.models import Membership, User

WRONG_CREDENTIALS = "Wrong password, code or passkey."


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth has no types
    """Closes sign-up, and notes sign-in, failures and sign-out in the account's audit trail."""

    error_messages = DefaultAccountAdapter.error_messages | {
        "email_password_mismatch": "Email or password is wrong.",
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Return False: users join by invitation."""
        return False

    def post_login(
        self, request: HttpRequest, user: AbstractBaseUser, **kwargs: Any
    ) -> HttpResponse:
        """Note the sign-in in the trail of the account that the user sees first."""
        response: HttpResponse = super().post_login(request, user, **kwargs)
        note(request, Event.USER_LOGGED_IN)
        return response

    def logout(self, request: HttpRequest) -> None:
        """Note the sign-out while the user is still known."""
        note(request, Event.USER_LOGGED_OUT)
        super().logout(request)

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        """Note a wrong password: a failed re-authentication, or a failed sign-in of a member."""
        if request.user.is_authenticated:
            note_failure(request, Event.USER_REAUTHENTICATION_FAILED)
            return
        user = user_with_email(str(credentials.get("email", "")).strip().lower())
        membership = memberships_by_name(user.pk).first() if user else None
        if membership is not None:
            _refuse(request, membership, Event.USER_LOGIN_FAILED)

    def set_password(self, user: AbstractBaseUser, password: str) -> None:
        """Set a password, and note whether it was changed or reset by email."""
        assert isinstance(user, User)  # noqa: S101 - the only user model
        sign_in.set_password(user, password=password, now=timezone.now())
        if self.request.user.is_authenticated:
            note(self.request, Event.PASSWORD_CHANGED)
            return
        membership = memberships_by_name(user.pk).first()
        if membership is not None and user.is_active:
            _note(self.request, membership, Event.PASSWORD_RESET)

    def _get_login_attempts_cache_key(
        self, request: HttpRequest, **credentials: Any
    ) -> str:
        """Return the email address: attempts are counted per user, whatever the host name."""
        return str(credentials.get("email", "")).strip().lower()


def note(request: HttpRequest, event: Event) -> None:
    """Note an event of the signed-in user; without an account there is no trail for it."""
    if not request.user.is_authenticated:
        return
    membership = current_membership(request)
    if membership is not None:
        _note(request, membership, event)


def note_failure(request: HttpRequest, event: Event) -> None:
    """Note that the signed-in user failed to re-authenticate."""
    membership = current_membership(request)
    if membership is not None:
        _refuse(request, membership, event)


def _note(request: HttpRequest, membership: Membership, event: Event) -> None:
    sign_in.note_sign_in(
        user_actor(membership, context_of(request, Interface.WEB)),
        membership=membership,
        event=event,
        now=timezone.now(),
    )


def _refuse(request: HttpRequest, membership: Membership, event: Event) -> None:
    sign_in.note_failed_sign_in(
        user_actor(membership, context_of(request, Interface.WEB)),
        membership=membership,
        event=event,
        reason=WRONG_CREDENTIALS,
        now=timezone.now(),
    )
