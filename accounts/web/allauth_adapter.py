"""How sign-in behaves here: by invitation only, counted by person, and kept in the trail."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.contrib.auth.base_user import AbstractBaseUser
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from accounts.actor import Actor, Interface
from accounts.audit.vocabulary import Event
from accounts.authentication import context_of, current_membership
from accounts.commands import sign_in
from accounts.commands.users import user_with_email
from accounts.models import Membership, User

# Words of the trail for a wrong password, code or passkey.
WRONG_CREDENTIALS = "What they gave was wrong."


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth has no types
    """Closes sign-up, and notes in the account's trail who signs in, fails to, and leaves."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Answer no, always: people come by invitation."""
        return False

    def post_login(
        self, request: HttpRequest, user: AbstractBaseUser, **kwargs: Any
    ) -> HttpResponse:
        """Note the sign-in in the trail of the account that the person lands in."""
        response: HttpResponse = super().post_login(request, user, **kwargs)
        note(request, Event.USER_LOGGED_IN)
        return response

    def logout(self, request: HttpRequest) -> None:
        """Note the sign-out while it still is known whose it is."""
        note(request, Event.USER_LOGGED_OUT)
        super().logout(request)

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        """Note a wrong password: of somebody signed in who confirms, or of a known member."""
        if request.user.is_authenticated:
            note_failure(request, Event.USER_REAUTHENTICATION_FAILED)
            return
        user = user_with_email(str(credentials.get("email", "")).strip().lower())
        membership = first_membership(user) if user else None
        if membership is not None:
            _refuse(request, membership, Event.USER_LOGIN_FAILED)

    def set_password(self, user: AbstractBaseUser, password: str) -> None:
        """Set a password, and note whether it was changed, or set anew by mail."""
        assert isinstance(user, User)  # noqa: S101 - there is no other kind
        sign_in.set_password(user, password=password, now=timezone.now())
        if self.request.user.is_authenticated:
            note(self.request, Event.PASSWORD_CHANGED)
            return
        membership = first_membership(user)
        if membership is not None:
            _note(self.request, membership, Event.PASSWORD_RESET)

    def _get_login_attempts_cache_key(
        self, request: HttpRequest, **credentials: Any
    ) -> str:
        """Count tries by person alone: a portal with two names gives no second set of tries."""
        return str(credentials.get("email", "")).strip().lower()


def first_membership(user: User) -> Membership | None:
    """Return the membership that a person lands in without a session: the first by name."""
    return (
        Membership.objects.select_related("account", "user")
        .filter(user=user)
        .order_by("account__name", "account_id")
        .first()
    )


def note(request: HttpRequest, event: Event) -> None:
    """Note something of a signed-in person's own; whoever is in no account has no trail."""
    if not request.user.is_authenticated:
        return
    membership = current_membership(request)
    if membership is not None:
        _note(request, membership, event)


def note_failure(request: HttpRequest, event: Event) -> None:
    """Note that a signed-in person failed to confirm who they are."""
    membership = current_membership(request)
    if membership is not None:
        _refuse(request, membership, event)


def _note(request: HttpRequest, membership: Membership, event: Event) -> None:
    sign_in.note_sign_in(
        _actor(request, membership),
        membership=membership,
        event=event,
        now=timezone.now(),
    )


def _refuse(request: HttpRequest, membership: Membership, event: Event) -> None:
    sign_in.note_failed_sign_in(
        _actor(request, membership),
        membership=membership,
        event=event,
        reason=WRONG_CREDENTIALS,
        now=timezone.now(),
    )


def _actor(request: HttpRequest, membership: Membership) -> Actor:
    user = membership.user
    return Actor.user(
        user_id=user.pk,
        label=str(user),
        email=user.email,
        account_id=membership.account_id,
        context=context_of(request, Interface.WEB),
    )
