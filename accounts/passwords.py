"""Refuses passwords that can be guessed: breached ones, repetitions, and words of the context."""

from typing import Any, Final

from django.core.exceptions import ValidationError
from zxcvbn import zxcvbn

# Of 0 to 4. 3 is about 10^8 guesses or more: safe against guessing with rate limits.
MIN_SCORE: Final = 3
# zxcvbn's time grows with the length; a longer password is not weaker.
MAX_CHECKED_LENGTH: Final = 72
HELP_TEXT: Final = (
    "At least 12 characters. Several unrelated words make a good password."
)
CONTEXT_WORDS: Final = ("tollgate", "websockets", "websocket", "fastly", "welcome")


class GuessablePasswordValidator:
    """Estimates the guesses that a password needs, with zxcvbn and its lists of breached ones."""

    def validate(self, password: str, user: Any = None) -> None:
        """Raise ValidationError for a password that is easy to guess."""
        words = [*CONTEXT_WORDS, *_words_of(user)]
        checked = password[:MAX_CHECKED_LENGTH]
        if zxcvbn(checked, user_inputs=words)["score"] < MIN_SCORE:
            raise ValidationError(
                "This password is easy to guess. Use several unrelated words.",
                code="password_guessable",
            )

    def get_help_text(self) -> str:
        """Return what the user should know before."""
        return "Your password can't be easy to guess."


def _words_of(user: Any) -> list[str]:
    """Return the words of a user's name and email address, and their accounts' names."""
    if user is None:
        return []
    email, _, domain = user.email.partition("@")
    words = [*user.name.split(), email, domain.partition(".")[0], user.email]
    if user.pk and not user._state.adding:  # noqa: SLF001 - Django's own name
        names = user.memberships.values_list("account__name", flat=True)
        words += [word for name in names for word in [name, *name.split()]]
    return [word.lower() for word in words if word]
