"""Adapts allauth's second factors: their seeds are stored encrypted, and passkeys have our names."""

from typing import Any

from allauth.core import context
from allauth.mfa.adapter import DefaultMFAAdapter

from accounts import encryption
from accounts.user_agents import browser_of


class MfaAdapter(DefaultMFAAdapter):  # type: ignore[misc]  # allauth has no types
    """Encrypts the seeds of authenticator apps and recovery codes."""

    def encrypt(self, text: str) -> str:
        """Return the text as it is stored."""
        return encryption.encrypt(text)

    def decrypt(self, encrypted_text: str) -> str:
        """Return the plain text."""
        return encryption.decrypt(encrypted_text)

    def generate_authenticator_name(self, user: Any, authenticator_type: Any) -> str:
        """Return the name that a new passkey gets unless the user types one: its browser."""
        return browser_of(context.request.headers.get("User-Agent"))
