"""allauth's forms for second factors, where the trail is to know more than they tell."""

from typing import Any

from allauth.core import context
from allauth.mfa.base.forms import ReauthenticateForm

from accounts.audit.vocabulary import Event
from accounts.web.adapter import note_failure


class ReauthenticateByCode(ReauthenticateForm):  # type: ignore[misc]  # allauth has no types
    """Confirms who somebody is by a code, and notes a wrong one."""

    def _emit_authentication_failed(self, authenticator: Any) -> None:
        super()._emit_authentication_failed(authenticator)
        note_failure(context.request, Event.USER_REAUTHENTICATION_FAILED)
