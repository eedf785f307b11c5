"""Validators of the names and comments of services and versions."""

import unicodedata
from typing import Final

from accounts.errors import Invalid
from accounts.readable import has_hidden_characters
from products.services.kinds.fields import text_problem
from products.services.models.service import MAX_COMMENT_LENGTH, MAX_SERVICE_NAME_LENGTH

HIDDEN: Final = "Remove characters that cannot be seen."


def clean_service_name(name: str) -> str:
    """Return a service's name without spaces around it. Raises Invalid."""
    name = unicodedata.normalize("NFC", name.strip())
    if not name:
        raise Invalid("A service needs a name.", field="name")
    if len(name) > MAX_SERVICE_NAME_LENGTH:
        raise Invalid(
            f"A service's name has at most {MAX_SERVICE_NAME_LENGTH} characters.",
            field="name",
        )
    if problem := text_problem(name, lines=False):
        raise Invalid(problem, field="name")
    if has_hidden_characters(name):
        raise Invalid(HIDDEN, field="name")
    return name


def clean_comment(comment: str) -> str:
    """Return a comment. Raises Invalid if it is too long or has characters that cannot be seen."""
    if len(comment) > MAX_COMMENT_LENGTH:
        raise Invalid(
            f"A comment has at most {MAX_COMMENT_LENGTH} characters.", field="comment"
        )
    if problem := text_problem(comment, lines=True):
        raise Invalid(problem, field="comment")
    if has_hidden_characters(comment, lines=True):
        raise Invalid(HIDDEN, field="comment")
    return comment
