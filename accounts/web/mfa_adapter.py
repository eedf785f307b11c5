"""Adapts allauth's second factors: their seeds are stored encrypted."""

from allauth.mfa.adapter import DefaultMFAAdapter

from accounts import encryption


class MfaAdapter(DefaultMFAAdapter):  # type: ignore[misc]  # allauth has no types
    """Encrypts the seeds of authenticator apps and recovery codes."""

    def encrypt(self, text: str) -> str:
        """Return the text as it is stored."""
        return encryption.encrypt(text)

    def decrypt(self, encrypted_text: str) -> str:
        """Return the plain text."""
        return encryption.decrypt(encrypted_text)
