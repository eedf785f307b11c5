"""Notes what allauth announces by a signal alone: re-authentication, and wrong codes."""

from typing import Any

from allauth.account.signals import authentication_step_completed
from allauth.mfa.signals import authentication_failed
from django.http import HttpRequest

from accounts.audit.vocabulary import Event
from accounts.models import User
from accounts.web.allauth_adapter import note, note_failure


def connect() -> None:
    """Connect the receivers; called once, when the apps are ready."""
    authentication_step_completed.connect(_authenticated, dispatch_uid="accounts.login")
    authentication_failed.connect(_failed, dispatch_uid="accounts.login")


def _authenticated(
    *, request: HttpRequest, reauthenticated: bool = False, **_: Any
) -> None:
    """Note a re-authentication; a sign-in is noted once it is complete."""
    if reauthenticated:
        note(request, Event.USER_REAUTHENTICATED)


def _failed(
    *, request: HttpRequest, user: User, reauthentication: bool = False, **_: Any
) -> None:
    """Note a wrong code."""
    event = (
        Event.USER_REAUTHENTICATION_FAILED
        if reauthentication
        else Event.USER_LOGIN_FAILED
    )
    note_failure(request, user, event)
