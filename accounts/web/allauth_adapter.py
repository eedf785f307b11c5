"""Adapts allauth's sign-in: no sign-up, attempts counted per user, everything recorded."""

import contextlib
from collections.abc import Iterator
from functools import partial
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress
from allauth.core import context as allauth_context
from allauth.usersessions.adapter import DefaultUserSessionsAdapter
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from accounts.actor import Actor, Interface
from accounts.audit.vocabulary import Event
from accounts.authentication import (
    context_of,
    default_membership,
    login_actor,
    memberships_by_name,
)
from accounts.commands import sign_in
from accounts.commands.mail import attach_html
from accounts.commands.users import user_with_email
from accounts.date_formats import minute_text, read_as
from accounts.models import User
from accounts.reauthentication import is_recently_authenticated
from accounts.web.known_devices import attempts_key, remember_device

WRONG_CREDENTIALS = "Wrong password, code or passkey."
KEEP_TOKENS, END_TOKENS = "keep_tokens", "end_tokens"  # fields of the password forms
ASKED = "_asked_in_place"  # the attribute of a request whose page has asked
_WAITING_MAIL = "_waiting_mail"


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth has no types
    """Closes sign-up, and notes sign-in, failures and sign-out in the audit trail."""

    error_messages = DefaultAccountAdapter.error_messages | {
        "email_password_mismatch": "Email or password is wrong.",
        # The longer of the two limits on failed sign-ins counts for five minutes.
        "too_many_login_attempts": (
            "Too many failed sign-ins. Try again in five minutes. You can still use a passkey."
        ),
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Return False: users join by invitation."""
        return False

    def post_login(
        self, request: HttpRequest, user: AbstractBaseUser, **kwargs: Any
    ) -> HttpResponse:
        """Note the sign-in, and remember the device."""
        response: HttpResponse = super().post_login(request, user, **kwargs)
        note(request, Event.USER_LOGGED_IN)
        assert isinstance(user, User)  # noqa: S101 - the only user model
        remember_device(request, response, user)
        return response

    def logout(self, request: HttpRequest) -> None:
        """Note the sign-out while the user is still known."""
        note(request, Event.USER_LOGGED_OUT)
        super().logout(request)

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        """Note a wrong password: a failed re-authentication, or a failed sign-in of a known user."""
        if isinstance(request.user, User):
            note_failure(request, request.user, Event.USER_REAUTHENTICATION_FAILED)
            return
        user = user_with_email(str(credentials.get("email", "")).strip().lower())
        if user is not None:
            note_failure(request, user, Event.USER_LOGIN_FAILED)

    def set_password(self, user: AbstractBaseUser, password: str) -> None:
        """Set a password, and note whether it was changed or reset by email."""
        assert isinstance(user, User)  # noqa: S101 - the only user model
        changed = self.request.user.is_authenticated
        # A reset is what follows a theft, so tokens end with it unless kept; a change keeps them
        # unless asked.
        keep = KEEP_TOKENS in self.request.POST or (
            changed and END_TOKENS not in self.request.POST
        )
        sign_in.set_password(
            actor_for_login(self.request, user),
            user=user,
            password=password,
            event=Event.PASSWORD_CHANGED if changed else Event.PASSWORD_RESET,
            keep_tokens=keep,
            now=timezone.now(),
        )

    def confirm_email(self, request: HttpRequest, email_address: EmailAddress) -> bool:
        """Confirm an address, which becomes the user's only one, and note it."""
        with recorded_login_change(request, email_address.user):
            confirmed: bool = super().confirm_email(request, email_address)
        return confirmed

    def is_reauthentication_required(self, *, app: str, **_: Any) -> bool:
        """Return whether a page of allauth asks who the user is; pages of `own_login` ask in place."""
        request = allauth_context.request
        return not (
            getattr(request, ASKED, False) or is_recently_authenticated(request)
        )

    def get_reauthentication_methods(self, user: Any) -> list[dict[str, Any]]:
        """Return the ways to re-authenticate; with a second factor the password is none of them."""
        methods: list[dict[str, Any]] = super().get_reauthentication_methods(user)
        return [each for each in methods if "mfa" in each["id"]] or methods

    def render_mail(self, *args: Any, **kwargs: Any) -> Any:
        """Return an email as text and as HTML, as the other emails are."""
        message = super().render_mail(*args, **kwargs)
        attach_html(message)
        return message

    def send_notification_mail(
        self,
        template_prefix: str,
        user: User,
        context: dict[str, Any] | None = None,
        email: str | None = None,
    ) -> None:
        """Send an email about a login, with its time as the user reads times."""
        here = default_membership(list(memberships_by_name(user.pk)))
        account_zone = here.account.time_zone if here else ""
        with read_as(user.date_format, user.time_zone, account_zone):
            own = {"timestamp": minute_text(timezone.now())} | (context or {})
        super().send_notification_mail(template_prefix, user, own, email)

    def send_mail(self, template_prefix: str, email: str, context: Any) -> None:
        """Send an email; within `recorded_login_change`, after it has committed."""
        send = partial(super().send_mail, template_prefix, email, context)
        waiting = getattr(allauth_context.request, _WAITING_MAIL, None)
        if waiting is None:
            send()
        else:
            waiting.append(send)

    def get_reset_password_from_key_url(self, key: str) -> str:
        """Return the link of the email; it leads to the portal, whatever the request's Host."""
        return at_portal(super().get_reset_password_from_key_url(key))

    def send_confirmation_mail(
        self, request: HttpRequest, emailconfirmation: Any, signup: Any
    ) -> None:
        """Send the link of a new address; none to an address that is another user's."""
        address = emailconfirmation.email_address
        owner = user_with_email(address.email)
        if owner is None or owner.pk == address.user_id:
            super().send_confirmation_mail(request, emailconfirmation, signup)
        else:
            self.send_mail("account/email/email_taken", address.email, {})

    def get_email_confirmation_url(
        self, request: HttpRequest, emailconfirmation: Any
    ) -> str:
        """Return the link of the email; it leads to the portal, whatever the request's Host."""
        return at_portal(super().get_email_confirmation_url(request, emailconfirmation))

    def _get_login_attempts_cache_key(
        self, request: HttpRequest, **credentials: Any
    ) -> str:
        """Return what attempts are counted by, whatever the host name."""
        return attempts_key(request, str(credentials.get("email", "")))


class SessionsAdapter(DefaultUserSessionsAdapter):  # type: ignore[misc]  # allauth has no types
    """Ends sessions by a command, which notes it."""

    def end_sessions(self, sessions: list[UserSession]) -> None:
        """End the user's sessions."""
        request = allauth_context.request
        sign_in.end_sessions(
            actor_for_login(request, request.user),
            user=request.user,
            sessions=sessions,
            now=timezone.now(),
        )


@contextlib.contextmanager
def recorded_login_change(request: HttpRequest, user: User) -> Iterator[None]:
    """Note what the block changes of a user's second factors and addresses, in its transaction.

    Emails that the block sends leave after the commit.
    """
    waiting: list[partial[None]] = []
    setattr(request, _WAITING_MAIL, waiting)
    try:
        with sign_in.recorded_login_change(
            actor_for_login(request, user), user=user, now=timezone.now()
        ):
            yield
    finally:
        delattr(request, _WAITING_MAIL)
    for send in waiting:
        send()


def at_portal(url: str) -> str:
    """Return a URL of a page with PORTAL_URL as its start."""
    parts = urlsplit(url)
    return settings.PORTAL_URL + urlunsplit(parts._replace(scheme="", netloc=""))


def note(request: HttpRequest, event: Event) -> None:
    """Note an event of the signed-in user's own login."""
    user = request.user
    if isinstance(user, User):
        sign_in.note_login(
            actor_for_login(request, user), user=user, event=event, now=timezone.now()
        )


def note_failure(request: HttpRequest, user: User, event: Event) -> None:
    """Note that someone failed to authenticate as a user."""
    sign_in.note_failed_login(
        actor_for_login(request, user),
        user=user,
        event=event,
        reason=WRONG_CREDENTIALS,
        now=timezone.now(),
    )


def actor_for_login(request: HttpRequest, user: User) -> Actor:
    """Return a user as the actor of a change of their own login."""
    return login_actor(request, user, context_of(request, Interface.WEB))
