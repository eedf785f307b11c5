"""How sign-in behaves here: by invitation only."""

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth has no types
    """Closes sign-up; people come by invitation."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Answer no, always."""
        return False
